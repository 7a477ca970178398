"""How the stand-ins are served on loopback, and how they misbehave when they are told to.

Nothing of ParnasSys or of a supplier lives here: those are ordinary ASGI applications.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

CONTROL = "/_sandbox/"
"""Requests below this path steer a stand-in, and are never misbehaved upon."""

Kind = Literal["fail", "slow", "cut", "cut_after", "cut_halfway", "truncate", "custom"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What to do with one request instead of answering it well.

    `status` and `retry_after` (as it is written in the header) belong to `fail`, `seconds` to `slow`, `name` to
    `custom`.
    """

    kind: Kind
    status: int = 500
    retry_after: str | None = None
    seconds: float = 0.0
    name: str = ""


class Misbehaviour:
    """The behaviours that wait for the next requests, oldest first; each is used once. Safe between threads."""

    def __init__(self) -> None:
        self._waiting: deque[Behaviour] = deque()
        self._lock = threading.Lock()

    def fail(self, status: int, times: int = 1, *, retry_after: float | str | None = None) -> None:
        """Answer with `status`; `retry_after` (seconds, or an HTTP date) becomes the header Retry-After."""
        header = None if retry_after is None else str(retry_after)
        self.add(Behaviour("fail", status=status, retry_after=header), times)

    def slow(self, seconds: float, times: int = 1) -> None:
        """Do what was asked, and answer `seconds` later."""
        self.add(Behaviour("slow", seconds=seconds), times)

    def cut(self, times: int = 1) -> None:
        """Break the connection before anything is done or answered."""
        self.add(Behaviour("cut"), times)

    def cut_after(self, times: int = 1) -> None:
        """Do what was asked, then break the connection without an answer."""
        self.add(Behaviour("cut_after"), times)

    def cut_halfway(self, times: int = 1) -> None:
        """Break the connection after half of the announced answer."""
        self.add(Behaviour("cut_halfway"), times)

    def truncate(self, times: int = 1) -> None:
        """Answer with the first half of the body as if that were all."""
        self.add(Behaviour("truncate"), times)

    def custom(self, name: str, times: int = 1) -> None:
        """Leave it to the application, which finds `name` with `asked_for`."""
        self.add(Behaviour("custom", name=name), times)

    def add(self, behaviour: Behaviour, times: int = 1) -> None:
        """Let `behaviour` wait for the next `times` requests."""
        with self._lock:
            self._waiting.extend([behaviour] * times)

    def clear(self) -> None:
        """Forget what was waiting."""
        with self._lock:
            self._waiting.clear()

    def take(self) -> Behaviour | None:
        """The behaviour for the request that is now at hand, taken from the queue."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    @property
    def waiting(self) -> int:
        """How many requests are still to be misbehaved upon."""
        with self._lock:
            return len(self._waiting)


def asked_for(request: Request) -> str | None:
    """The name given to `Misbehaviour.custom` for this request."""
    name: str | None = request.scope.get("extensions", {}).get(_CUSTOM)
    return name


class Misbehaving:
    """ASGI middleware that carries out what waits in `misbehaviour`, and passes on everything else."""

    def __init__(self, app: ASGIApp, misbehaviour: Misbehaviour) -> None:
        self.app = app
        self.misbehaviour = misbehaviour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, well or badly."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # a stand-in may stand below a path of its own
        steering = scope["type"] != "http" or path.startswith(CONTROL)
        behaviour = None if steering else self.misbehaviour.take()
        if behaviour is None:
            await self.app(scope, receive, send)
        else:
            await _CARRIED_OUT[behaviour.kind](behaviour, self.app, scope, receive, send)


def control_routes(misbehaviour: Misbehaviour) -> list[Route]:
    """Routes by which another process steers `misbehaviour`.

    `POST /_sandbox/misbehave` takes a `Behaviour` as JSON, with `times`: `{"kind": "fail", "status": 429, "times": 2}`.
    `DELETE` forgets what waits. Both answer `{"waiting": N}`; a request that is not understood gets 400.
    """

    async def misbehave(request: Request) -> Response:
        if request.method == "DELETE":
            misbehaviour.clear()
            return JSONResponse({"waiting": 0})
        try:
            wanted = dict(await request.json())
            times = int(wanted.pop("times", 1))
            behaviour = Behaviour(**wanted)
        except (TypeError, ValueError):
            return PlainTextResponse("dit gedrag ken ik niet", 400)
        if behaviour.kind not in get_args(Kind):
            return PlainTextResponse("dit gedrag ken ik niet", 400)
        misbehaviour.add(behaviour, times)
        return JSONResponse({"waiting": misbehaviour.waiting})

    return [Route(f"{CONTROL}misbehave", misbehave, methods=["POST", "DELETE"])]


@dataclass(frozen=True, slots=True)
class Tls:
    """Serve over HTTPS with this certificate; where `client_ca` is given, only to clients with one of its own."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A stand-in that runs: where it listens (`http://127.0.0.1:PORT`, no slash), and how to stop it."""

    url: str
    stop: Callable[[], None]


@contextlib.contextmanager
def running(app: ASGIApp, *, tls: Tls | None = None, port: int = 0) -> Iterator[Served]:
    """Serve `app` from a thread on a loopback port (0: a free one) until the block ends.

    Raises:
        RuntimeError: the server did not start within ten seconds.
    """
    listener = socket.create_server(("127.0.0.1", port))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else every answer waits 40 ms for its receipt
    url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    server = _Server(_config(app, tls))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)

    def stop() -> None:
        server.should_exit = True
        thread.join(10)

    thread.start()
    try:
        if not server.ready.wait(10):
            raise RuntimeError("de nagebouwde dienst is niet gestart")
        yield Served(url, stop)
    finally:
        stop()
        listener.close()


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _config(app: ASGIApp, tls: Tls | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Cuttable,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # a path can name a pupil
        timeout_graceful_shutdown=1,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_ca_certs=str(tls.client_ca) if tls and tls.client_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_ca else ssl.CERT_NONE,
    )


_CUT = "doorgeefluik.cut"
_CUSTOM = "doorgeefluik.custom"


class _Cuttable(H11Protocol):
    """Hands the application an ASGI extension that breaks its connection, which ASGI itself has no word for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        super().connection_made(transport)
        self.app = _with_extension(self.app, _CUT, transport.abort)


def _with_extension(app: Any, name: str, value: object) -> Any:
    async def extended(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[name] = value
        await app(scope, receive, send)

    return extended


async def _fail(behaviour: Behaviour, _app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()  # a client that is still sending would not see the answer
    headers = {} if behaviour.retry_after is None else {"Retry-After": behaviour.retry_after}
    await PlainTextResponse("storing", behaviour.status, headers)(scope, receive, send)


async def _slow(behaviour: Behaviour, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    start, body = await _answer_of(app, scope, receive)  # done first: a client that gives up meanwhile had its effect
    await asyncio.sleep(behaviour.seconds)
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def _cut(_behaviour: Behaviour, _app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    await _break(scope, receive)


async def _cut_after(_behaviour: Behaviour, app: ASGIApp, scope: Scope, receive: Receive, _send: Send) -> None:
    await _answer_of(app, scope, receive)
    await _break(scope, receive)


async def _cut_halfway(_behaviour: Behaviour, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    start, body = await _answer_of(app, scope, receive)
    await send(start)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    await _break(scope, receive)


async def _truncate(_behaviour: Behaviour, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    start, body = await _answer_of(app, scope, receive)
    half = body[: len(body) // 2]
    others = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    await send({**start, "headers": [*others, (b"content-length", str(len(half)).encode())]})
    await send({"type": "http.response.body", "body": half})


async def _custom(behaviour: Behaviour, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await _with_extension(app, _CUSTOM, behaviour.name)(scope, receive, send)


_CARRIED_OUT: dict[str, Callable[[Behaviour, ASGIApp, Scope, Receive, Send], Awaitable[None]]] = {
    "fail": _fail,
    "slow": _slow,
    "cut": _cut,
    "cut_after": _cut_after,
    "cut_halfway": _cut_halfway,
    "truncate": _truncate,
    "custom": _custom,
}


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """What `app` answers, held back: the start of the response, and its whole body."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(m.get("body", b"") for m in messages[1:])


async def _break(scope: Scope, receive: Receive) -> None:
    scope["extensions"][_CUT]()
    while (await receive())["type"] != "http.disconnect":
        pass  # uvicorn would answer 500 if we returned before it saw the break
