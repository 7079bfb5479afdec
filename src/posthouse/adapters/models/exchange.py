"""One POST to a provider, and what came of it as a value.

    body ─► POST ─┬─ 200        the answer's bytes, or the texts of its events
                  └─ otherwise  a `Failure`, raised only outside every handler

The key travels in a header, and errors of the HTTP client carry the request; so none of them leaves this module,
neither as text nor as a cause, and what a provider says is shown without the key. Nothing is sent twice, no redirect is
followed.

Why aiohttp: docs/decisions/0005-http-client.md.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing

import aiohttp
import msgspec
from yarl import URL

from posthouse.adapters.models.failures import Failure, failure_of
from posthouse.adapters.models.reading import UNREADABLE, StreamReader
from posthouse.adapters.models.sse import EventTooLong, SseReader
from posthouse.core.errors import ConfigurationInvalid
from posthouse.ports.model import Event, ModelRefused, ModelUnavailable, Usage

ANSWER_BYTES_MAX = 16 * 1024 * 1024
FAILURE_BYTES_MAX = 64 * 1024
MESSAGE_LENGTH_MAX = 500  # of an error; providers can be wordy, and quote what they were asked
CONNECT_TIMEOUT_S = 10.0
KEEPALIVE_S = 15.0

_NO_CONNECTION = (
    aiohttp.ClientConnectorError,  # name, connect, TLS
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
)
_BREAKING = (
    aiohttp.ClientError,
    OSError,  # TimeoutError among them
    ValueError,  # a URL that is none, an event without end
    RuntimeError,  # the session was closed meanwhile
)


class Exchange:
    """Connections to one provider. Opens them with the first question; `close` ends them.

    `timeout_s` bounds a whole answer, and in a stream the silence between two pieces: how long a stream may take
    altogether is for the job's own timeout to say.
    """

    def __init__(self, base_url: str, *, api_key: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self.base_url = base_url.rstrip("/")
        self._host = _checked_host(self.base_url)
        if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
            raise ConfigurationInvalid("api_key has characters that no header may carry; copy it again")
        if timeout_s <= 0:
            raise ConfigurationInvalid(f"timeout_s is {timeout_s:g}: give seconds above 0")
        self._api_key = api_key
        self._headers = {"Content-Type": "application/json", **headers}
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def error(self, failure: Failure, usage: Usage | None = None) -> ModelUnavailable | ModelRefused:
        """What to raise for a failure: it names the host, and never the key."""
        message = f"The model at {self._host} {failure.message}"
        if self._api_key:
            message = message.replace(self._api_key, "(the key)")  # before the cut, which could leave half of it
        return msgspec.structs.replace(failure, message=message[:MESSAGE_LENGTH_MAX]).error(usage)

    async def ask(self, path: str, body: bytes) -> bytes | Failure:
        """The answer's bytes, or why there is none."""
        try:
            async with self._post(path, body, total_s=self._timeout_s) as response:
                if response.status != 200:
                    return await _failure_in(response)
                content = await _read(response, ANSWER_BYTES_MAX + 1)
        except _BREAKING as error:
            return self._broken(error)
        return content if len(content) <= ANSWER_BYTES_MAX else UNREADABLE

    async def ask_stream(self, path: str, body: bytes, reader: StreamReader) -> AsyncGenerator[Event, None]:
        """The events of a streamed answer, as `posthouse.ports.model` orders them; raises what broke it."""
        reading = reader.reading
        failure: Failure | None = None
        async with aclosing(self._arrivals(path, body)) as arrivals:
            async for arrival in arrivals:
                for event in [arrival] if isinstance(arrival, Failure) else reader.read(arrival):
                    if isinstance(event, Failure):
                        failure = event
                        break
                    yield event
                if failure is not None or reading.is_ended:
                    break
        if failure is None and not reading.is_whole:
            failure = Failure("ended its stream before the answer was whole", is_billable=True)
        is_billed = reading.is_begun or (failure is not None and failure.is_billable)
        if is_billed:
            for event in reading.end():
                yield event
        if failure is not None and not reading.is_whole:
            raise self.error(failure, reading.usage_so_far if is_billed else None)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _arrivals(self, path: str, body: bytes) -> AsyncGenerator[str | Failure, None]:
        """The texts of the stream's events; a `Failure` is the last."""
        failure: Failure | None = None
        try:
            async with self._post(path, body, silence_s=self._timeout_s) as response:
                if response.status != 200:
                    failure = await _failure_in(response)
                else:
                    events = SseReader()
                    async for chunk in response.content.iter_any():
                        for event in events.feed(chunk):
                            yield event.data
        except _BREAKING as error:
            failure = self._broken(error)
        if failure is not None:
            yield failure

    def _post(
        self, path: str, body: bytes, *, total_s: float | None = None, silence_s: float | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        session = self._session or self._open_session()
        return session.post(
            URL(self.base_url + path, encoded=True),
            data=body,
            headers=self._headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=total_s, sock_read=silence_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s)
            ),
        )

    def _broken(self, error: Exception) -> Failure:
        if isinstance(error, _NO_CONNECTION):
            return Failure(f"cannot be reached: {_safe(error)}")
        if isinstance(error, TimeoutError):
            return Failure(f"was silent for {self._timeout_s:g} s", is_billable=True)
        if isinstance(error, EventTooLong):
            return UNREADABLE
        return Failure(f"broke the connection: {_safe(error)}", is_billable=True)

    def _open_session(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
        )
        return self._session


def _checked_host(base_url: str) -> str:
    """Host and port of a base URL; a credential or a query in it would be shown, so there may be none."""
    try:
        url = URL(base_url)
        host, port = url.host, url.explicit_port
    except ValueError:
        host = None
    if not host or url.scheme not in ("http", "https"):
        raise ConfigurationInvalid("base_url is no URL of http or https; providers name theirs like https://host/v1")
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        raise ConfigurationInvalid(f"base_url of {host} carries more than a path; a key belongs in api_key")
    return host if port is None else f"{host}:{port}"


async def _failure_in(response: aiohttp.ClientResponse) -> Failure:
    return failure_of(response.status, response.headers, await _read(response, FAILURE_BYTES_MAX))


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, at most about so many bytes of it."""
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size >= limit:
            break
    return b"".join(chunks)


def _safe(error: BaseException) -> str:
    """What may be said of an error of the HTTP client: its kind and the system's words, not its own text."""
    system = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    words = getattr(system, "strerror", None)
    return f"{type(error).__name__} ({words})" if words else type(error).__name__
