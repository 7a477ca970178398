"""A supplier that throws back what it was sent: as an error, as an answer that cannot be read, or as a reason to refuse."""

from collections import Counter
from typing import Any

import orjson
from lxml import etree
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def echo_app() -> Starlette:
    """Below `/MODE` a supplier of either wire format; MODE is a status, `garble` or `refuse`.

    `app.state.answered` counts the answers by mode and wire format.
    """
    app = Starlette(routes=[Route("/{mode}/{path}", _answer, methods=["POST"])])
    app.state.answered = Counter()
    return app


async def _answer(request: Request) -> Response:
    mode, path, content = request.path_params["mode"], request.path_params["path"], await request.body()
    answer = _made(mode, path, content)
    request.app.state.answered[mode, path] += 1
    return answer


def _made(mode: str, path: str, content: bytes) -> Response:
    if mode == "garble":
        return Response(b"{" + content, media_type="application/json")
    if mode == "refuse":
        return JSONResponse(_refused_edexml(content) if path == "edexml" else _refused(content))
    return Response(content, int(mode), {"Retry-After": "1"})


def _refused(content: bytes) -> dict[str, Any]:
    records = orjson.loads(content)["records"]
    return {
        "resultaten": [
            {"id": record["id"], "status": "geweigerd", "reden": f"ken ik niet: {orjson.dumps(record).decode()}"}
            for record in records
        ]
    }


def _refused_edexml(content: bytes) -> dict[str, Any]:
    return {
        container.tag: [
            {
                "key": record.get("key"),
                "nummer": None,
                "status": "geweigerd",
                "reden": etree.tostring(record, encoding="unicode"),
            }
            for record in container
        ]
        for container in etree.fromstring(content)
        if container.tag != "school"
    }
