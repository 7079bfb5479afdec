"""The gateway over real sockets: what is an answer, what may have been sent, and what is never told."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sender_stage import TOKEN, http, raw_server

from posthouse.adapters.blobs.folder import FolderBlobs
from posthouse.adapters.http.bot_api import BotApiGateway
from posthouse.core.errors import Refused, TelegramError, Unreachable
from posthouse.telegram.files import blob_field

SECRET = TOKEN.partition(":")[2]
OK = http(b'{"ok":true,"result":{"message_id":5}}')


@asynccontextmanager
async def gateway_to(url: str, blobs: FolderBlobs | None = None, **settings: Any) -> AsyncIterator[BotApiGateway]:
    gateway = BotApiGateway(url, blobs, **settings)
    try:
        yield gateway
    finally:
        await gateway.close()


async def failure_of(gateway: BotApiGateway, payload: bytes = b"{}", **details: Any) -> TelegramError:
    """What a call raises; it never shows the token, neither in itself nor in what caused it."""
    with pytest.raises(TelegramError) as caught:
        await gateway.call(TOKEN, "sendMessage", payload, **details)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in repr(error)
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__
    return caught.value


async def test_the_body_leaves_as_it_is() -> None:
    """The payload is posted byte for byte, as JSON, to the method of the bot."""
    payload = b'{ "chat_id":7,  "text":"h\\u00e9" }'
    async with raw_server(lambda _: OK) as server, gateway_to(server.url) as gateway:
        assert await gateway.call(TOKEN, "sendMessage", payload) == {"message_id": 5}
        assert server.bodies == [payload]
        assert server.heads[0].startswith(f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\n".encode())
        assert b"content-type: application/json" in server.heads[0].lower()


async def test_connections_are_kept() -> None:
    """Calls one after the other share a connection; calls at the same time get their own."""
    async with raw_server(lambda _: OK) as server, gateway_to(server.url) as gateway:
        for _ in range(5):
            await gateway.call(TOKEN, "getMe", b"{}")
        assert server.connections == 1
        await asyncio.gather(*(gateway.call(TOKEN, "getMe", b"{}") for _ in range(4)))
        assert server.connections <= 5


def refusal(code: int, description: str, extra: str = "") -> bytes:
    return f'{{"ok":false,"error_code":{code},"description":"{description}"{extra}}}'.encode()


@pytest.mark.req("S3-46", "C1-19")
@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (
            http(refusal(403, "Forbidden: bot was blocked by the user"), status="403 Forbidden"),
            (403, "Forbidden: bot was blocked by the user", None, None),
        ),
        (
            http(
                refusal(429, "Too Many Requests: retry after 9", ',"parameters":{"retry_after":9}'),
                status="429 Too Many Requests",
                headers="Retry-After: 44\r\n",
            ),
            (429, "Too Many Requests: retry after 9", 9.0, None),
        ),
        (
            http(refusal(429, "slow"), status="429 x", headers="Retry-After: 44\r\n"),
            (429, "slow", 44.0, None),
        ),
        (
            http(refusal(429, "slow"), status="429 x", headers="Retry-After: Fri, 01 Jan 2027 00:00:00 GMT\r\n"),
            (429, "slow", None, None),
        ),
        (
            http(refusal(400, "upgraded", ',"parameters":{"migrate_to_chat_id":-1001234}'), status="400 x"),
            (400, "upgraded", None, -1001234),
        ),
        (
            http(b"<html>Bad Gateway</html>", status="502 Bad Gateway"),
            (502, "an answer without JSON, from a proxy", None, None),
        ),
        (
            http(b"", status="429 Too Many Requests", headers="Retry-After: 3\r\n"),
            (429, "an answer without JSON, from a proxy", 3.0, None),
        ),
        (
            http(refusal(500, "restart"), status="500 x", headers="Retry-After: 3\r\n"),
            (500, "restart", None, None),
        ),
    ],
)
async def test_a_no_is_a_refusal(answer: bytes, wanted: tuple[object, ...]) -> None:
    """Code, text, `retry_after` (the body before the header) and the new chat id come out of a refusal."""
    async with raw_server(lambda _: answer) as server, gateway_to(server.url) as gateway:
        error = await failure_of(gateway)
        assert isinstance(error, Refused)
        assert (error.code, error.description, error.retry_after_s, error.migrate_to_chat_id) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: None,
        lambda _: http(b"not json"),
        lambda _: http(b'{"result":1}'),
        lambda _: http(b'{"ok":"yes"}'),
        lambda _: http(b"\xff\xfe"),
        lambda _: http(b"", status="302 Found", headers="Location: http://127.0.0.1:1/\r\n"),
        lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",  # and then silence
        lambda _: b"this is not HTTP\r\n\r\n",
    ],
)
async def test_no_usable_answer_means_it_may_have_arrived(answer: Callable[[bytes], bytes | None]) -> None:
    """A cut connection, a broken answer, a redirect: the request left, and nobody knows its end."""
    async with raw_server(answer) as server, gateway_to(server.url) as gateway:
        error = await failure_of(gateway, timeout_s=0.2)
        assert isinstance(error, Unreachable)
        assert error.sent is True
        assert len(server.heads) == 1  # and it was not tried again


async def test_silence_means_it_may_have_arrived() -> None:
    """A request that is not answered in time may have been carried out."""
    async with raw_server(lambda _: b"") as server, gateway_to(server.url) as gateway:
        error = await failure_of(gateway, timeout_s=0.05)
        assert isinstance(error, Unreachable)
        assert (error.sent, "0.05 s" in str(error)) == (True, True)


async def test_a_refused_connection_means_it_was_not_sent() -> None:
    """Nobody listens: surely nothing has arrived."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with gateway_to(url) as gateway:
            error = await failure_of(gateway)
            assert isinstance(error, Unreachable)
            assert error.sent is False


async def test_an_unknown_host_means_it_was_not_sent() -> None:
    """Without an address nothing can have arrived."""
    async with gateway_to("http://no-such-host.invalid") as gateway:
        error = await failure_of(gateway)
        assert isinstance(error, Unreachable)
        assert error.sent is False


async def test_a_connection_that_does_not_open_means_it_was_not_sent() -> None:
    """A connect timeout, here in the wait for a free connection, ends before a byte has left."""
    gate = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        await gate.wait()
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, gateway_to(url, connections_max=1, connect_timeout_s=0.05) as gateway:
        first = asyncio.create_task(gateway.call(TOKEN, "getMe", b"{}"))
        await asyncio.sleep(0)
        error = await failure_of(gateway)
        assert isinstance(error, Unreachable)
        assert error.sent is False
        gate.set()
        assert await first == {"message_id": 5}


async def test_a_server_without_tls_means_it_was_not_sent() -> None:
    """A failed handshake ends before the request, and with it the token, has left."""
    heard = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65_536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, gateway_to(url) as gateway:
        error = await failure_of(gateway)
        assert isinstance(error, Unreachable)
        assert error.sent is False
        assert b"sendMessage" not in heard


async def test_a_nonsense_address_means_it_was_not_sent() -> None:
    """An address that is no URL is told without the token that would be part of it."""
    for url in ("http://", "nonsense", "http://[::1", "http://host:99999"):
        async with gateway_to(url) as gateway:
            error = await failure_of(gateway)
            assert isinstance(error, Unreachable)
            assert error.sent is False


async def test_updates_stay_raw() -> None:
    """The items of getUpdates are the bytes that Telegram sent, not decoded and encoded again."""
    items = [b'{"update_id": 1, "message" : {"text":"\\u00e9"}}', b'{"update_id":2,"x":1.10}']
    answer = http(b'{"ok":true,"result":[' + b",".join(items) + b"]}")
    async with raw_server(lambda _: answer) as server, gateway_to(server.url) as gateway:
        result = await gateway.call(TOKEN, "getUpdates", b"{}")
        assert all(isinstance(item, msgspec.Raw) for item in result)
        assert [bytes(item) for item in result] == items


# Files.


async def chunks(total: int, *, size: int = 1 << 20) -> AsyncIterator[bytes]:
    block = bytes(range(256)) * (size // 256)
    for start in range(0, total, size):
        yield block[: min(size, total - start)]


async def test_fifty_megabytes_are_streamed(blobs: FolderBlobs) -> None:
    """A file of the largest size that a bot may send goes through without ever being in memory."""
    total = 50 * 1024 * 1024
    key = await blobs.put(chunks(total))
    payload = msgspec.json.encode({"chat_id": 7, "document": blob_field(key, "big.bin")})
    async with raw_server(lambda _: OK, keep=False) as server, gateway_to(server.url, blobs) as gateway:
        tracemalloc.start()
        try:
            await gateway.call(TOKEN, "sendDocument", payload)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert total < server.body_bytes < total + 1000
        assert peak_bytes < 4 * 1024 * 1024


async def test_an_upload_has_a_length_and_every_parameter(blobs: FolderBlobs) -> None:
    """Texts travel as they are, everything else as JSON, files under their names and types."""
    key = await blobs.put(b"PDF")
    payload = msgspec.json.encode(
        {
            "chat_id": 7,
            "caption": "día",
            "reply_markup": {"a": [1]},
            "document": blob_field(key, 'r"é.pdf'),
            "thumbnail": blob_field(key, "t.jpg"),
        }
    )
    async with raw_server(lambda _: OK) as server, gateway_to(server.url, blobs) as gateway:
        await gateway.call(TOKEN, "sendDocument", payload)
        (head,), (body,) = server.heads, server.bodies
        assert f"content-length: {len(body)}".encode() in head.lower()
        assert b"chunked" not in head.lower()
        assert 'name="caption"\r\n\r\ndía\r\n'.encode() in body
        assert b'name="chat_id"\r\n\r\n7\r\n' in body
        assert b'name="reply_markup"\r\n\r\n{"a":[1]}\r\n' in body
        document = 'name="document"; filename="r%22é.pdf"\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n'
        assert document.encode() in body
        assert b'name="thumbnail"; filename="t.jpg"\r\nContent-Type: image/jpeg\r\n\r\nPDF\r\n' in body


async def test_a_file_over_the_limit_is_refused_before_it_is_sent(blobs: FolderBlobs) -> None:
    """A file that Telegram would not take is refused here, with its name and size."""
    key = await blobs.put(bytes(1001))
    payload = msgspec.json.encode({"document": blob_field(key, "big.bin")})
    async with raw_server(lambda _: OK) as server:
        async with gateway_to(server.url, blobs, upload_bytes_max=1000) as gateway:
            error = await failure_of(gateway, payload)
            assert isinstance(error, Refused)
            assert error.code == 413
            assert "big.bin" in error.description
            assert "1001" in error.description
            assert server.connections == 0


async def test_a_file_that_is_gone_is_refused(blobs: FolderBlobs) -> None:
    """A delivery that outlived its file says so."""
    missing = hashlib.sha256(b"never stored").hexdigest()
    payload = msgspec.json.encode({"document": blob_field(missing, "a.pdf")})
    async with raw_server(lambda _: OK) as server, gateway_to(server.url, blobs) as gateway:
        error = await failure_of(gateway, payload)
        assert isinstance(error, Refused)
        assert "a.pdf" in error.description
        assert server.connections == 0


async def test_a_text_that_looks_like_a_file_is_a_text(blobs: FolderBlobs) -> None:
    """Whatever a person writes is posted as JSON, also when it names a stored file."""
    key = await blobs.put(b"secret")
    payload = msgspec.json.encode({"chat_id": 7, "text": blob_field(key, "x")})
    async with raw_server(lambda _: OK) as server, gateway_to(server.url, blobs) as gateway:
        await gateway.call(TOKEN, "sendMessage", payload)
        assert server.bodies == [payload]
