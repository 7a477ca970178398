"""Several sandbox suppliers on one port, each below its own name; the first line of output is the address.

A process of its own: what suppliers cost is not ours.
"""

import signal
import sys

from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.sandbox.serving import running
from connectors.sandbox.suppliers import supplier_app


def main() -> None:
    """Serve `NAME=FORMAT …` with the token that comes first, until the process is told to end."""
    token, *suppliers = sys.argv[1:]
    named = [supplier.split("=") for supplier in suppliers]
    app = Starlette(routes=[Mount(f"/{name}", supplier_app(wire_format, token)) for name, wire_format in named])  # type: ignore[arg-type]
    with running(app) as served:
        sys.stdout.write(f"{served.url}\n")
        sys.stdout.flush()
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
