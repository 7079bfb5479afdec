"""Webhooks without a task: uvicorn's HTTP protocol with a short way for the one request that matters.

uvicorn starts a task and an ASGI cycle for each request: about half of what a webhook costs. A webhook needs neither.
Its body is queued for the disk when it is complete, and the answer is written when the commit calls back:

    headers ─► a known path, POST, nothing pipelined? ─ no ─► uvicorn's own way, `ingress.WebhookApp`
       │ yes
    secret, limits ─► body ─► Ingress.receive ─► … commit … ─► "200", and the connection is free again

Both ways ask the same `Ingress` and give the same answers; `tests/flow/road` runs them side by side. Why, and what it
gains: docs/decisions/0012-webhook-protocol.md.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from posthouse.adapters.http.ingress import SECRET_HEADER, WebhookApp
from posthouse.runtime.ingress import Endpoint, Ingress, Verdict

_TEXT = {
    200: b"OK",
    400: b"Bad Request",
    403: b"Forbidden",
    413: b"Content Too Large",
    429: b"Too Many Requests",
    503: b"Service Unavailable",
}


def _answer(status: int, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, _TEXT[status]), b"content-length: 0", *headers, b"", b""]
    return b"\r\n".join(lines)


_OK = _answer(200)
_OK_LAST = _answer(200, b"connection: close")


class _NoEvent:
    """Stands in for the event that wakes an ASGI application: nobody waits."""

    def set(self) -> None: ...


class WebhookCycle(msgspec.Struct, eq=False):
    """One webhook request between its headers and its answer. Has what `HttpToolsProtocol` asks of a cycle."""

    message_event: ClassVar = _NoEvent()

    protocol: WebhookProtocol
    endpoint: Endpoint
    keep_alive: bool
    body: bytes = b""
    more_body: bool = True
    response_complete: bool = False
    disconnected: bool = False

    def answer(self, verdict: Verdict) -> None:
        if self.response_complete or self.disconnected:
            return
        self.response_complete = True
        transport = self.protocol.transport
        if verdict.status == 200:
            transport.write(_OK if self.keep_alive else _OK_LAST)
        elif verdict.retry_after_s is not None:
            wait = b"retry-after: %d" % verdict.retry_after_s
            transport.write(_answer(verdict.status, wait, *(() if self.keep_alive else (b"connection: close",))))
        else:
            # The rest of an unread body would be taken for the next request.
            self.keep_alive = False
            transport.write(_answer(verdict.status, b"connection: close"))
        if not self.keep_alive:
            transport.close()
        self.protocol.answered()


class WebhookProtocol(HttpToolsProtocol):
    """`HttpToolsProtocol` that answers webhooks by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.config.app
        assert isinstance(app, WebhookApp)
        self.ingress: Ingress = app.ingress
        self._endpoints = app.endpoints_by_url
        self._address_of = app.address_of
        self._answered_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None

    def on_message_begin(self) -> None:
        """Only what a webhook needs; uvicorn's scope is made when a request turns out to need one."""
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def _use_asgi(self) -> None:
        """Go uvicorn's way with a request whose headers have been read."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)  # into the list that the scope has
        super().on_headers_complete()

    def on_headers_complete(self) -> None:
        endpoint = self._endpoints.get(self.url)
        cycle = self.cycle
        headers = dict(self.headers)
        if (
            endpoint is None
            or (cycle is not None and not cycle.response_complete)
            or b"expect" in headers
            or self.parser.get_method() != b"POST"
            or self.parser.should_upgrade()
        ):
            self._use_asgi()
            return
        webhook = WebhookCycle(self, endpoint, self.parser.should_keep_alive())
        self.cycle = webhook  # type: ignore[assignment]
        ingress = self.ingress
        address = ""
        if ingress.limits_addresses and self.client:
            address = self._address_of(self.client[0], self.headers)
        verdict = ingress.admit(endpoint, headers.get(SECRET_HEADER, b""), address)
        length = headers.get(b"content-length", b"0")
        if verdict is None and length.isdigit() and int(length) > ingress.settings.body_max_bytes:
            verdict = Verdict(413)
        if verdict is not None:
            webhook.keep_alive = False  # the body is still to come, and nobody will read it
            webhook.answer(verdict)

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if type(cycle) is not WebhookCycle:
            super().on_body(body)
        elif not cycle.response_complete:
            cycle.body = cycle.body + body if cycle.body else body
            if len(cycle.body) > self.ingress.settings.body_max_bytes:
                cycle.answer(Verdict(413))

    def on_message_complete(self) -> None:
        cycle: Any = self.cycle
        if type(cycle) is not WebhookCycle:
            super().on_message_complete()
        elif not cycle.response_complete:
            cycle.more_body = False
            self.ingress.receive(cycle.endpoint, cycle.body, cycle.answer)

    def answered(self) -> None:
        """The connection is free again: for what was pipelined, or to be closed when it stays idle.

        One timer for the life of a connection looks back at the last answer, instead of one made and cancelled for
        every request.
        """
        if self.pipeline or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._answered_at = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._idle_timer = None
        if self.transport.is_closing():
            return
        busy = self.cycle is not None and not self.cycle.response_complete
        left_s = self.timeout_keep_alive - (0.0 if busy else self.loop.time() - self._answered_at)
        if left_s > 0:
            self._idle_timer = self.loop.call_later(left_s, self._close_if_idle)
        else:
            self.timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)
