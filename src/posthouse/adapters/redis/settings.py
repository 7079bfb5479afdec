"""How the Redis session store is set up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """One Redis (or what speaks like it: Valkey, a Sentinel's primary; not a Cluster)."""

    url: str = "redis://localhost:6379/0"
    """redis://, rediss:// or unix://; the password in it is never shown."""
    ttl_s: float = 86_400.0
    """How long a chat is remembered after its last change (S4-7)."""
    key_prefix: str = "{bot_id}:"
    """What stands before each key; "" gives the names of S4-12 as they are written there, for a Redis with one bot."""
    timeout_s: float = 2.0
    """How long Redis may take to answer, each of two tries."""
    connections_max: int = 32
    """Connections of this process."""
