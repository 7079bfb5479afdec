"""The way to Telegram: one POST per Bot API call, over kept-alive connections of aiohttp.

    payload ─► POST /bot<token>/<method> ─► answer ─┬─ ok: true      the decoded `result`
      │                                             ├─ ok: false     Refused
      └─ with blob fields: a multipart upload,      └─ anything else Unreachable(sent=True)
         streamed from the blob store               no connection: Unreachable(sent=False)

`sent` is the promise that matters: False only when no byte of the request can have reached Telegram (no
address, no connection, no TLS). Everything later is an unknown outcome, and the sender's policy decides.

The token is part of the URL, and HTTP errors like to quote URLs; so no error of aiohttp leaves this module,
neither as text nor as a cause. Why aiohttp, and what it costs: docs/decisions/0005-http-client.md.
"""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from posthouse.core.errors import NotFound, Refused, Unreachable
from posthouse.ports.blobs import Blobs
from posthouse.telegram.files import BLOB_MARK, BlobPart, take_blobs

UPLOAD_BYTES_MAX = 50 * 1024 * 1024  # a local Bot API server takes 2000 MB
UPLOAD_BYTES_PER_S = 128 * 1024  # how slow an upload may be before it counts as lost
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 15.0  # well below any front end's own, so that a send rarely meets a connection being closed

_JSON = {"Content-Type": "application/json"}
_NO_CONNECTION = (
    aiohttp.ClientConnectorError,  # name, connect, TLS, proxy
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
)


class _Parameters(msgspec.Struct, gc=False):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Answer(msgspec.Struct, gc=False):
    ok: bool
    result: Any = None
    error_code: int = 0
    description: str = ""
    parameters: _Parameters | None = None


class _Updates(_Answer, gc=False):
    """The answer to getUpdates: each update stays the bytes it came as, for that is what the inbox keeps."""

    result: list[msgspec.Raw] = []


_decode = msgspec.json.Decoder(_Answer).decode
_decode_updates = msgspec.json.Decoder(_Updates).decode


class BotApiGateway:
    """A `TelegramGateway` over HTTP. Opens its connections with the first call; `close` ends them.

    `connections_max` bounds the sockets; a call beyond it waits for a free one, which counts as connecting.
    `proxy` is the URL of an HTTP proxy. The result of `getUpdates` is a list of `msgspec.Raw`, one an update.
    """

    def __init__(
        self,
        api_url: str = "https://api.telegram.org",
        blobs: Blobs | None = None,
        *,
        connections_max: int = 256,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        upload_bytes_max: int = UPLOAD_BYTES_MAX,
        proxy: str | None = None,
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._blobs = blobs
        self._connections_max = connections_max
        self._connect_timeout_s = connect_timeout_s
        self._upload_bytes_max = upload_bytes_max
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        if BLOB_MARK in payload:
            upload = await self._prepare_upload(method, payload)
            if upload is not None:
                timeout_s += upload.length / UPLOAD_BYTES_PER_S
                return await self._call(token, method, upload.stream(), upload.headers, timeout_s)
        return await self._call(token, method, payload or b"{}", _JSON, timeout_s)

    async def download(self, token: str, file_path: str, *, size_max_bytes: int, timeout_s: float = 60.0) -> bytes:
        session = self._session or self._open_session()
        content: bytes | Unreachable | Refused
        try:
            async with session.get(
                URL(f"{self._api_url}/file/bot{token}/{quote(file_path)}", encoded=True),
                allow_redirects=False,
                proxy=self._proxy,
                timeout=self._timeout(timeout_s),
            ) as response:
                if response.status != 200:
                    content = Refused("download", response.status, f"there is no file {file_path!r}")
                else:
                    content = await _read_at_most(response, size_max_bytes)
        except _NO_CONNECTION as error:
            content = Unreachable("download", f"no connection to {self._api_url}: {_safe(error)}", sent=False)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # OSError: TimeoutError is one
            content = Unreachable("download", f"the connection broke: {_safe(error)}", sent=True)
        if isinstance(content, Exception):
            raise content  # outside every handler: it carries no cause that could quote the token
        return content

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _call(
        self,
        token: str,
        method: str,
        body: bytes | AsyncIterator[bytes],
        headers: dict[str, str],
        timeout_s: float,
    ) -> Any:
        answered = await self._post(token, method, body, headers, timeout_s)
        if isinstance(answered, Unreachable):
            raise answered  # outside every handler: it carries no cause that could quote the token
        status, retry_after, content = answered
        answer = _read_answer(method, content)
        if answer is None:
            raise _unreadable(method, status, retry_after)
        if not answer.ok:
            raise _refused(method, status, retry_after, answer)
        return answer.result

    async def _post(
        self,
        token: str,
        method: str,
        body: bytes | AsyncIterator[bytes],
        headers: dict[str, str],
        timeout_s: float,
    ) -> tuple[int, str | None, bytes] | Unreachable:
        """Status, `Retry-After` and body of the answer; or why there is none."""
        session = self._session or self._open_session()
        try:
            async with session.post(
                URL(f"{self._api_url}/bot{token}/{method}", encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=self._timeout(timeout_s),
            ) as response:
                return response.status, response.headers.get("Retry-After"), await response.read()
        except _NO_CONNECTION as error:
            return Unreachable(method, f"no connection to {self._api_url}: {_safe(error)}", sent=False)
        except ValueError:  # aiohttp.InvalidURL among them
            return Unreachable(method, f"{self._api_url} and the token make no valid URL", sent=False)
        except TimeoutError:
            return Unreachable(method, f"no answer within {timeout_s:g} s", sent=True)
        except (aiohttp.ClientError, OSError) as error:
            return Unreachable(method, f"the connection broke: {_safe(error)}", sent=True)

    def _timeout(self, timeout_s: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=timeout_s, connect=min(self._connect_timeout_s, timeout_s))

    def _open_session(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        )
        return self._session

    async def _prepare_upload(self, method: str, payload: bytes) -> _Upload | None:
        """The multipart upload that the payload asks for, None when it names no blob; or raise Refused.

        Refused here, before a byte is sent: a file over the limit, a blob that is no longer kept.
        """
        parameters, parts = take_blobs(msgspec.json.decode(payload))
        if not parts:
            return None
        if self._blobs is None:
            raise Refused(method, 400, "the call names a stored file, and there is no blob store here")
        sized: list[tuple[BlobPart, int]] = []
        for part in parts:
            try:
                size_bytes = await self._blobs.size_bytes(part.key)
            except NotFound:
                raise Refused(method, 400, f"the file “{part.filename}” is no longer stored") from None
            if size_bytes > self._upload_bytes_max:
                raise Refused(
                    method,
                    413,
                    f"the file “{part.filename}” has {size_bytes} bytes, and a bot may send at most "
                    f"{self._upload_bytes_max}; it was not sent",
                )
            sized.append((part, size_bytes))
        return _Upload(self._blobs, parameters, sized)


class _Upload:
    """A multipart body whose length is known before its first byte, so that it needs no chunked encoding."""

    def __init__(self, blobs: Blobs, parameters: dict[str, Any], parts: list[tuple[BlobPart, int]]) -> None:
        boundary = secrets.token_hex(16)
        self._blobs = blobs
        self._fields = b"".join(_field(boundary, name, value) for name, value in parameters.items())
        self._files = [(_file_head(boundary, part), part.key) for part, _ in parts]
        self._end = f"--{boundary}--\r\n".encode()
        heads_and_ends = sum(len(head) + 2 for head, _ in self._files)
        self.length = len(self._fields) + heads_and_ends + sum(size for _, size in parts) + len(self._end)
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(self.length),
        }

    async def stream(self) -> AsyncIterator[bytes]:
        if self._fields:
            yield self._fields
        for head, key in self._files:
            yield head
            async for chunk in self._blobs.read(key):
                yield chunk
            yield b"\r\n"
        yield self._end


async def _read_at_most(response: aiohttp.ClientResponse, size_max_bytes: int) -> bytes | Refused:
    """The whole body, or why not: it is never held in memory beyond the limit."""
    chunks: list[bytes] = []
    size_bytes = 0
    async for chunk in response.content.iter_chunked(65_536):
        size_bytes += len(chunk)
        if size_bytes > size_max_bytes:
            return Refused("download", 413, f"the file has more than {size_max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _field(boundary: str, name: str, value: Any) -> bytes:
    """One parameter as a form field: a string as it is, anything else as JSON (telegram.md §5.1)."""
    text = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
    return head.encode() + text + b"\r\n"


def _file_head(boundary: str, part: BlobPart) -> bytes:
    kind = mimetypes.guess_type(part.filename)[0] or "application/octet-stream"
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(part.part)}"; '
        f'filename="{_quoted(part.filename)}"\r\nContent-Type: {kind}\r\n\r\n'
    ).encode()


def _quoted(name: str) -> str:
    """A name inside quotes, the way browsers write it: UTF-8 as it is, what would end the quotes escaped."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _read_answer(method: str, content: bytes) -> _Answer | None:
    """The decoded answer; None when it is not one."""
    try:
        return _decode_updates(content) if method == "getUpdates" else _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refused(method: str, status: int, retry_after: str | None, answer: _Answer) -> Refused:
    parameters = answer.parameters or _Parameters()
    code = answer.error_code or status
    wait_s = parameters.retry_after
    if wait_s is None and code == 429:
        wait_s = _seconds(retry_after)
    return Refused(
        method,
        code,
        answer.description or "no description",
        retry_after_s=wait_s,
        migrate_to_chat_id=parameters.migrate_to_chat_id,
    )


def _unreadable(method: str, status: int, retry_after: str | None) -> Refused | Unreachable:
    """An answer that is not Telegram's: a front end's page whose status says no, or nothing we understand."""
    if status >= 400:
        wait_s = _seconds(retry_after) if status == 429 else None
        return Refused(method, status, "an answer without JSON, from a proxy", retry_after_s=wait_s)
    return Unreachable(method, f"status {status} with an answer that cannot be read", sent=True)


def _seconds(retry_after: str | None) -> float | None:
    """A `Retry-After` in seconds; a date is not understood, Telegram sends none."""
    return float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else None


def _safe(error: BaseException) -> str:
    """What may be said of an error of the HTTP client: its kind and the system's words, not its own text."""
    system = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    words = getattr(system, "strerror", None)
    return f"{type(error).__name__} ({words})" if words else type(error).__name__
