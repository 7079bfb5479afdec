"""The Bot API over HTTP, as a bare ASGI application: `/bot<token>/<method>` and `/file/bot<token>/<path>`.

Bare because a benchmark must measure the platform and not its oracle: no routing, no middleware, one JSON
encoder.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from posthouse.simulator.bodies import parse, unpack
from posthouse.simulator.bots import Bot
from posthouse.simulator.breaking import Answer
from posthouse.simulator.calls import answer_call, refused
from posthouse.simulator.files import UPLOAD_BYTES_MAX
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.world import World

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = UPLOAD_BYTES_MAX + (1 << 20)
_JSON = (b"content-type", b"application/json")


class BotApi:
    """Answers bots."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith("/file/bot"):
            await self._send_file(path, receive, send)
            return
        try:
            answer = await self._answer(scope, path, receive)
        except Refusal as refusal:
            answer = refused(refusal)
        except Exception as error:  # a bug of ours outside the method, such as a result that is no JSON
            answer = refused(self.world.note_bug(error, path.rpartition("/")[2]))
        if answer.lost:
            await cut_connection(receive, send)
        elif answer.truncated:
            await _send_half(send, answer)
            await cut_connection(receive, send, flush=True)
        else:
            await _send(send, answer)

    async def _answer(self, scope: Scope, path: str, receive: Receive) -> Answer:
        token, slash, method = path[len("/bot") :].partition("/")
        body = await _read(receive)
        if not slash or scope["method"] not in ("GET", "POST"):
            raise Refusal(404, "Not Found")
        bot = self._bot(token)
        if bot.logged_out_until > self.world.clock.now():
            raise Refusal(400, "Logged out")
        body = unpack(body, _header(scope, b"content-encoding").strip().lower(), BODY_BYTES_MAX)
        parameters = parse(scope["query_string"], _header(scope, b"content-type"), body)
        method = method.removeprefix("test/") or parameters.text("method")
        return await answer_call(self.world, bot, method, parameters, via="http")

    def _bot(self, token: str) -> Bot:
        """The bot of this token, or raise Refusal."""
        town = self.world.town
        known = len(town.bots)
        bot = town.bot_by_token(token)
        if len(town.bots) > known:
            try:
                self.world.pace_token()
            except Refusal:
                del town.bots[bot.id]
                raise
        return bot

    async def _send_file(self, path: str, receive: Receive, send: Send) -> None:
        await _read(receive)
        token, _, file_path = path[len("/file/bot") :].partition("/")
        try:
            links = self.world.town.bot_by_token(token).links
            file = links.find(unquote(file_path), self.world.clock.now())
            if file is None:
                raise Refusal(404, "Not Found")
        except Refusal as refusal:
            await _send(send, refused(refusal))
        else:
            await _send_body(send, 200, [(b"content-type", b"application/octet-stream")], file.data)


async def cut_connection(receive: Receive, send: Send, *, flush: bool = False) -> None:
    """Close the socket without an answer; with `flush`, after what was written already.

    ASGI has no word for it, so this reaches for the transport behind uvicorn's `send`, a bound method of its
    request cycle. Waiting for the disconnect message keeps uvicorn from answering 500 in its place.
    """
    transport = getattr(send, "__self__").transport  # noqa: B009  # `send` is typed as a plain callable
    (transport.close if flush else transport.abort)()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(receive: Receive) -> bytes:
    """The whole request body, or raise Refusal 413."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    chunks, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_BYTES_MAX:
            raise Refusal(413, "Request Entity Too Large")
    return b"".join(chunks)


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value, "latin-1")
    return ""


async def _send(send: Send, answer: Answer) -> None:
    headers = [_JSON if answer.content_type == _JSON[1] else (b"content-type", answer.content_type)]
    if answer.retry_after is not None:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    await _send_body(send, answer.status, headers, answer.body)


async def _send_body(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_half(send: Send, answer: Answer) -> None:
    """Promise the whole body and send the first half."""
    headers = [_JSON, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
