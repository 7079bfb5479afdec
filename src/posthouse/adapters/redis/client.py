"""The connection to Redis, our scripts by name, and what its errors mean.

    not reached, closed, no answer, no free connection, refused login, read-only, full, loading,
    a Cluster, another program's keys                                                          → StoreUnavailable
    everything else                                                                            → a bug; propagates

Every script may run twice: a call whose answer was lost is made once more, on a new connection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, NamedTuple

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from posthouse.adapters.redis.settings import RedisSettings
from posthouse.core.addresses import shown
from posthouse.core.errors import StoreUnavailable

MENDS: list[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str]] = [
    (
        (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError),
        "refused the login or the keys",
        "check user, password and rights in [sessions] redis_url",
    ),
    (exceptions.BusyLoadingError, "is loading its data", "it will answer when it has"),
    (exceptions.ReadOnlyError, "is read-only", "point [sessions] redis_url at the primary"),
    (exceptions.OutOfMemoryError, "has no memory left", "raise maxmemory, or lower [sessions] ttl_s"),
    (exceptions.TimeoutError, "did not answer in time", "look for slow commands and load"),
    (exceptions.MaxConnectionsError, "has no connection left", "raise maxclients"),
    (exceptions.ConnectionError, "cannot be reached", "is it running, and is [sessions] redis_url right?"),
    (OSError, "cannot be reached", "is it running, and is [sessions] redis_url right?"),
]
# What a script was told is known by its text alone.
TOLD = {
    "OOM ": "has no memory left; raise maxmemory, or lower [sessions] ttl_s",
    "MISCONF": "cannot write its data to the disk; see its log",
    "READONLY": "is read-only; point [sessions] redis_url at the primary",
    "NOREPLICAS": "has too few replicas; see min-replicas-to-write",
    "NOAUTH": "refused the login; check user and password in [sessions] redis_url",
    "NOPERM": "refused the keys; give this user the rights on them",
    "WRONGTYPE": "has another program's data under our names; set [sessions] key_prefix",
    "MOVED": "is a Cluster, in which a chat's keys lie apart; use a Redis without cluster mode",
    "CROSSSLOT": "is a Cluster, in which a chat's keys lie apart; use a Redis without cluster mode",
}


class Script(NamedTuple):
    """A script and the name under which Redis keeps it."""

    sha: str
    text: str


class RedisClient:
    """One pool of connections. Opened and closed with the store."""

    def __init__(self, settings: RedisSettings) -> None:
        self.where = shown(settings.url)
        self._settings = settings
        self._scripts = _load()
        self._redis: Any = None

    async def open(self) -> None:
        """Connect. Raises `StoreUnavailable`."""
        settings = self._settings
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.connections_max,
            timeout=settings.timeout_s,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(ConstantBackoff(0.05), 1),
            protocol=2,
        )
        self._redis = Redis.from_pool(pool)
        try:
            with self.named_errors():
                await self._redis.ping()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the connections. Harmless when it is not open."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    async def run(self, name: str, keys: Sequence[str], arguments: Sequence[str | bytes]) -> Any:
        """Run a script by the name of its file."""
        script = self._scripts[name]
        with self.named_errors():
            try:
                return await self._redis.evalsha(script.sha, len(keys), *keys, *arguments)
            except exceptions.NoScriptError:  # Redis has restarted since, or has never seen it
                return await self._redis.eval(script.text, len(keys), *keys, *arguments)

    async def ask(self, *commands: tuple[str | bytes | int, ...]) -> list[Any]:
        """The answers to some commands, in one round trip."""
        if not commands:
            return []
        with self.named_errors():
            if len(commands) == 1:
                return [await self._redis.execute_command(*commands[0])]
            async with self._redis.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                answers: list[Any] = await pipe.execute()
                return answers

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Turn the ways to say "not now" into `StoreUnavailable`."""
        try:
            yield
        except (exceptions.RedisError, OSError) as error:
            for kinds, what, mend in MENDS:
                if isinstance(error, kinds):
                    raise self._unavailable(f"{what} ({type(error).__name__}); {mend}") from error
            text = str(error)
            for sign, meaning in TOLD.items():
                if sign in text:
                    raise self._unavailable(meaning) from error
            raise

    def _unavailable(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(f"Redis at {self.where} {what}.")


def _load() -> dict[str, Script]:
    """Every script by the name of its file, each with what they share before it."""
    folder = resources.files(__package__).joinpath("scripts")
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".lua")}
    shared = texts.pop("shared.lua")
    return {
        name.removesuffix(".lua"): Script(hashlib.sha1(whole.encode()).hexdigest(), whole)
        for name, whole in ((name, shared + text) for name, text in texts.items())
    }
