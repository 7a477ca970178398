"""Stand-ins for suppliers: real servers for both wire formats, which check, remember, and misbehave when told to.

What they hold is in `supplier_state.py`. `python -m connectors.sandbox.suppliers --kind json_delta --token …` serves one
from a process of its own.
"""

import argparse
import contextlib
import hashlib
import signal
import sys
from collections.abc import Callable
from hmac import compare_digest
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from connectors.sandbox.serving import CONTROL, Misbehaving, Misbehaviour, control_routes, running
from connectors.sandbox.supplier_state import (
    Refusals,
    SupplierState,
    UnknownContentError,
    held_in,
    read_delta,
    read_edexml,
)

WireFormat = Literal["edexml_whole_set", "json_delta"]
_PATHS = {"edexml_whole_set": "/edexml", "json_delta": "/records"}
PAGE = 25
"""How many records a stand-in lists at a time."""
_PREFIXES = {"edexml_whole_set": "bp", "json_delta": "jd"}


def supplier_app(kind: WireFormat, token: str, *, state_file: Path | None = None, lists: bool = True) -> Starlette:
    """A supplier that takes messages with this bearer token.

    `app.state.held` is its `SupplierState` and `app.state.misbehaviour` its `Misbehaviour`. Another process finds the
    first at `GET /_sandbox/state`, the second at `POST /_sandbox/misbehave`, and sets which records are refused at
    `POST /_sandbox/refuse` (`{"ids": {id: reason}, "every": n, "reason": …, "untold": [id]}`).
    `POST /_sandbox/drift` alters what it holds behind our back, as `SupplierState.drift` says. Without `lists` it does not tell
    what it holds.
    """
    held = held_in(state_file, _PREFIXES[kind]) if state_file else SupplierState(prefix=_PREFIXES[kind])
    misbehaviour = Misbehaviour()
    take = _whole_set if kind == "edexml_whole_set" else _delta

    async def receive(request: Request) -> Response:
        content = await request.body()
        key = request.headers.get("idempotency-key")
        seen = {"path": request.url.path, "key": key, "bytes": len(content)}
        if _authorised(request, token):
            response = _answer(held, key, content, lambda: take(held, content, seen))
        else:
            response = PlainTextResponse("onbekende sleutel", 401)
        held.requests.append({**seen, "status": response.status_code})
        held.keep()
        return response

    async def listed(request: Request) -> Response:
        if not _authorised(request, token):
            return PlainTextResponse("onbekende sleutel", 401)
        asked = request.query_params
        start = int(asked.get("vanaf", "0"))
        records = list(held.schools.get(asked["school"], {}).get(asked["soort"], {}).values())
        more = str(start + PAGE) if start + PAGE < len(records) else None
        return JSONResponse({"records": records[start : start + PAGE], "volgende": more})

    async def drift(request: Request) -> Response:
        held.drift(**await request.json())
        held.keep()
        return JSONResponse({})

    async def state(_: Request) -> Response:
        return Response(held.as_json(), media_type="application/json")

    async def refuse(request: Request) -> Response:
        held.refusals = Refusals(**await request.json())
        return JSONResponse({})

    app = Starlette(
        routes=[
            Route(_PATHS[kind], receive, methods=["POST"]),
            Route(f"{CONTROL}state", state),
            Route(f"{CONTROL}refuse", refuse, methods=["POST"]),
            Route(f"{CONTROL}drift", drift, methods=["POST"]),
            *([Route(_PATHS[kind], listed, methods=["GET"])] if kind == "json_delta" and lists else []),
            *control_routes(misbehaviour),
        ],
        middleware=[Middleware(Misbehaving, misbehaviour=misbehaviour)],
    )
    app.state.held = held
    app.state.misbehaviour = misbehaviour
    return app


Take = Callable[[SupplierState, bytes, dict[str, Any]], dict[str, Any]]


def _authorised(request: Request, token: str) -> bool:
    return compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode())


def _answer(held: SupplierState, key: str | None, content: bytes, take: Callable[[], dict[str, Any]]) -> Response:
    """What this message gets: the answer stored under its key, a new one, or a refusal."""
    if not key:
        return PlainTextResponse("Idempotency-Key ontbreekt", 400)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    if key in held.answers and held.answers[key][0] != digest:
        return PlainTextResponse("deze sleutel hoort bij een ander bericht", 409)
    if key not in held.answers:
        try:
            answer = orjson.dumps(take()).decode()
        except UnknownContentError as error:
            return PlainTextResponse(f"onbekend: {error}", 422)
        except ValueError:
            return PlainTextResponse("niet te lezen", 400)
        held.answers[key] = (digest, answer)
    return Response(held.answers[key][1], media_type="application/json")


def _delta(held: SupplierState, content: bytes, seen: dict[str, Any]) -> dict[str, Any]:
    body = read_delta(content)
    seen |= {"soort": body["soort"], "bewerking": body["bewerking"], "records": len(body["records"])}
    return held.take_delta(body)


def _whole_set(held: SupplierState, content: bytes, seen: dict[str, Any]) -> dict[str, Any]:
    school, kinds = read_edexml(content)
    seen |= {"records": sum(len(records) for records in kinds.values())}
    return held.take_whole_set(school, kinds)


def main(arguments: list[str] | None = None) -> None:
    """Serve one supplier until the process is told to end; the first line of output is its address."""
    parser = argparse.ArgumentParser(description="Een nagebouwde leverancier, voor proeven op deze computer.")
    parser.add_argument("--kind", choices=get_args(WireFormat), required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, help="bestand waarin wordt bewaard wat er is ontvangen")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(supplier_app(chosen.kind, chosen.token, state_file=chosen.state), port=chosen.port) as served:
        sys.stdout.write(f"{served.url}\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
