"""Suppliers: where records go out, one module a wire format.

A new wire format is one module here and one line in `WIRE_FORMATS`; a new supplier is only a profile in `mappings/profiles`.
"""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from connectors.base import Supplier
from connectors.http import HttpSettings, open_session
from connectors.secrets import private_file, public_file, resolve_token
from connectors.suppliers.edexml_whole_set import EdexmlWholeSet
from connectors.suppliers.json_delta import JsonDelta
from connectors.suppliers.wire import Door
from mappings.agreement import Connection
from mappings.profile import Profile

WIRE_FORMATS: MappingProxyType[str, Callable[[Door, int | None], Supplier]] = MappingProxyType(
    {
        "edexml_whole_set": EdexmlWholeSet,
        "json_delta": JsonDelta,
    }
)
"""What makes a supplier of each wire format, from its door and the batch size of the agreement."""


def make_supplier(profile: Profile, connection: Connection, base: Path) -> Supplier:
    """The supplier of `profile`, reached as `connection` says; file references count from the instance folder `base`.

    Raises:
        PermanentError: code `geheim_ontbreekt`.
    """
    return WIRE_FORMATS[profile.wire_format](
        Door(open_session(http_settings(connection, base)), connection.base_url, profile.name), connection.batch_size
    )


def http_settings(connection: Connection, base: Path) -> HttpSettings:
    """The settings of a session with this supplier, its secrets resolved."""
    certificate, authority = connection.client_certificate, connection.certificate_authority
    return HttpSettings(
        token=resolve_token(connection.token, base),
        client_certificate=private_file(certificate, base) if certificate else None,
        certificate_authority=public_file(authority, base) if authority else None,
    )
