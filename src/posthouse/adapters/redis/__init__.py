"""What chats remember, kept in Redis beside either database: `[sessions] store = "redis"`.

`RedisSessionStore` is a store over a store. `RedisLock` is for authors whose other programs share the Redis.
"""

from posthouse.adapters.redis.lock import RedisLock
from posthouse.adapters.redis.settings import RedisSettings
from posthouse.adapters.redis.store import RedisSessionStore

__all__ = ["RedisLock", "RedisSessionStore", "RedisSettings"]
