"""The assets: two for each school, three for each supplier. Thin: they fetch, call the heart, and tell."""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    Result = dg.MaterializeResult[Any]
else:
    Result = dg.MaterializeResult
    """Dagster recognises an asset with checks by this bare class, without a type argument."""

UNFORESEEN = "De run is mislukt. Kijk in de webpagina bij deze run."
"""Why something failed, where nothing of ours says it."""
