"""What can be set about the SQLite store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """Settings of one database file. The defaults are safe: every commit reaches the disk (`synchronous=FULL`)."""

    path: str
    """The database file; its directory must exist or be creatable."""
    lease_ttl_s: float = 30.0
    """How long a lane stays leased without `extend` before `reap` takes it back."""
    delivery_ttl_s: float = 900.0
    """How long a delivery may be on its way: a slow upload takes minutes, and a second claim would send twice."""
    batch_max: int = 256
    """Operations that share one commit at most."""
    window: int = 64
    """Entries of one lane that are kept in memory; the rest waits on disk."""
    windows_max_bytes: int = 64 * 1024 * 1024
    """Payload bytes kept in memory over all lanes."""
    states_cached: int = 8192
    """Chats whose state is kept in memory after use. Nothing else is remembered of an idle chat."""
    checkpoint_commits: int = 250
    """Commits after which the writer checkpoints; half as many when nothing waits."""
    wal_max_bytes: int = 64 * 1024 * 1024
    """WAL size at which the writer waits for readers to let it start the log anew."""
    cache_kib: int = 16 * 1024
    """Page cache of the writing connection."""
