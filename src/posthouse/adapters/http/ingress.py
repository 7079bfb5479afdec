"""The HTTP side of ingress: a raw ASGI application under uvicorn.

POST /webhook/{bot}      → runtime.ingress (the path of a bot can be configured)
GET  /healthz            the process answers
GET  /readyz             it takes updates: the store answers, and nobody asked it to stop
GET  /metrics            Prometheus
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from posthouse.runtime.ingress import Endpoint, Ingress, Verdict

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

SECRET_HEADER = b"x-telegram-bot-api-secret-token"

_EMPTY = {"type": "http.response.body", "body": b""}
_LENGTH_ZERO = (b"content-length", b"0")


def _start(status: int, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [_LENGTH_ZERO, *headers]}


_OK = _start(200)


class WebhookApp:
    """The ASGI application of one platform process."""

    def __init__(
        self,
        ingress: Ingress,
        endpoints: dict[str, Endpoint],
        *,
        metrics_page: Callable[[], bytes],
        ready: Callable[[], Awaitable[str | None]],
        trusted_proxies: frozenset[str] = frozenset(),
    ) -> None:
        self.ingress = ingress
        self._endpoints = endpoints  # by path
        self.endpoints_by_url = {path.encode(): endpoint for path, endpoint in endpoints.items()}
        self._metrics_page = metrics_page
        self._ready = ready
        self._trusted = trusted_proxies

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        endpoint = self._endpoints.get(scope["path"])
        if endpoint is None:
            await self._page(scope, send)
        elif scope["method"] != "POST":
            await _answer(send, 405, b"only POST\n", (b"allow", b"POST"))
        else:
            await self._webhook(endpoint, scope, receive, send)

    def address_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address a request counts for: the peer, or behind trusted proxies the last one that none of them has.

        Read from the right, because a sender can write whatever it likes at the left (S2-15).
        """
        if peer not in self._trusted or not self.ingress.limits_addresses:
            return peer
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        for address in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
            if address not in self._trusted:
                return address
        return peer

    async def _webhook(self, endpoint: Endpoint, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        ingress = self.ingress
        secret = b""
        length = b"0"
        for name, value in scope["headers"]:
            if name == SECRET_HEADER:
                secret = value
            elif name == b"content-length":
                length = value
        client = scope.get("client")
        verdict = ingress.admit(endpoint, secret, self.address_of(client[0] if client else "", scope["headers"]))
        if verdict is None and length.isdigit() and int(length) > ingress.settings.body_max_bytes:
            verdict = Verdict(413)
        if verdict is None:
            body = await _body(receive, ingress.settings.body_max_bytes)
            if body is None:
                verdict = Verdict(413)
            else:
                verdict = await ingress.accept(endpoint, body)
        if verdict.status == 200:
            await send(_OK)
        elif verdict.retry_after_s is not None:
            await send(_start(verdict.status, (b"retry-after", str(verdict.retry_after_s).encode())))
        else:
            # The rest of an unread body would be taken for the next request.
            await send(_start(verdict.status, (b"connection", b"close")))
        await send(_EMPTY)

    async def _page(self, scope: dict[str, Any], send: Send) -> None:
        path = scope["path"]
        if path == "/healthz":
            await _answer(send, 200, b"ok\n")
        elif path == "/readyz":
            problem = await self._ready()
            await _answer(send, 503 if problem else 200, f"{problem or 'ready'}\n".encode())
        elif path == "/metrics":
            await _answer(send, 200, self._metrics_page(), content_type=b"text/plain; version=0.0.4; charset=utf-8")
        else:
            await _answer(send, 404, b"no such page; webhooks are at /webhook/<bot name>\n")


async def _body(receive: Receive, max_bytes: int) -> bytes | None:
    """The whole body, or None when it is longer than `max_bytes`."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > max_bytes:
            return None  # whatever else is to come
        message = await receive()
        body += message.get("body", b"")
    return body if len(body) <= max_bytes else None


async def _answer(
    send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes], content_type: bytes = b"text/plain"
) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-length", str(len(body)).encode()),
                (b"content-type", content_type),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
