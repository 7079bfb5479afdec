"""`processing_lock:{userId}`: one at a time works on a person's behalf, among programs that share a Redis.

The platform takes none: a lane's lease is its lock, and is fenced by the database where a lock in Redis could only run
out. This is for an author whose other programs lock people there already. A lock is a courtesy with an end: whoever was
held up for longer than `ttl_s` has it no more, so nothing may depend on having it (B-12).
"""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import Any

from posthouse.core.errors import Retryable

# All three name the token, so that nobody ends or extends what has become another's (G4-1).
_TAKE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0  -- taken by a try whose answer was lost
"""
_EXTEND = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisLock:
    """The lock of one person: `async with RedisLock(redis, user_id):`, or with its three moves.

    `redis` is the author's own `redis.asyncio.Redis`; `prefix` stands before the key, as in `[sessions] key_prefix`.
    One object is one owner, and may be taken again after it was released.
    """

    def __init__(self, redis: Any, user_id: int, *, prefix: str = "", ttl_s: float = 60.0) -> None:
        self.key = f"{prefix}processing_lock:{user_id}"
        self._redis = redis
        self._ttl_ms = int(ttl_s * 1000)
        self._token = ""

    async def acquire(self) -> bool:
        """Take the lock for `ttl_s`; False when somebody else has it."""
        self._token = secrets.token_hex(16)
        return await self._eval(_TAKE, self._token, self._ttl_ms)

    async def extend(self) -> bool:
        """Keep it for another `ttl_s`; False when it has run out, and may be somebody else's."""
        return await self._eval(_EXTEND, self._token, self._ttl_ms)

    async def release(self) -> bool:
        """Let it go; False when it had run out. Somebody else's stays."""
        return await self._eval(_RELEASE, self._token)

    async def __aenter__(self) -> RedisLock:
        """Raises `Retryable` when somebody else has the lock: the turn runs again in a second."""
        if not await self.acquire():
            raise Retryable(f"{self.key} is held by somebody else", retry_after_s=1.0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.release()

    async def _eval(self, script: str, *arguments: str | int) -> bool:
        return bool(await self._redis.eval(script, 1, self.key, *arguments))
