"""The assets: two for each school, three for each supplier. Thin: they fetch, call the heart, and tell."""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    Result = dg.MaterializeResult[Any]
else:
    Result = dg.MaterializeResult
    """Dagster recognises an asset with checks by this bare class, without a type argument."""
