"""What an operator may set of the PostgreSQL store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """The store's settings. Durations are in seconds.

    url                 `postgresql://…`, as libpq writes it
    pool_min, pool_max  connections of the pool that all statements share
    transactions_max    connections for `turn.transact`, opened when first needed
    pool_wait_s         how long a call waits for a free connection before `StoreUnavailable`
    statement_s         how long one statement may take before `StoreUnavailable`
    lock_wait_s         how long a statement waits for a row that somebody else locked
    lease_ttl_s         how long a lane stays leased without a sign of life
    delivery_ttl_s      how long a delivery may be on its way: a slow upload takes minutes, and a second claim would
                        send twice; a dead sender's deliveries come back with its lock, long before
    poll_min_s          the shortest pause between polls, taken after work was found
    poll_max_s          the longest pause between polls of an idle store
    pooler              True behind a transaction pooler: no prepared statements and no session settings on pooled
                        connections, and the heartbeat instead of the lock session
    lock_url            a direct connection for the worker's lock, when `url` is not one; with it a pooler needs no
                        heartbeat
    heartbeat_ttl_s     after how long without a heartbeat a worker counts as dead
    handles_kept_s      how long the message ids behind handles are remembered
    lane_idle_s         how long a lane stays after its last entry
    """

    url: str
    pool_min: int = 2
    pool_max: int = 8
    transactions_max: int = 4
    pool_wait_s: float = 5.0
    statement_s: float = 30.0
    lock_wait_s: float = 10.0
    lease_ttl_s: float = 30.0
    delivery_ttl_s: float = 900.0
    poll_min_s: float = 0.05
    poll_max_s: float = 1.0
    pooler: bool = False
    lock_url: str | None = None
    heartbeat_ttl_s: float = 15.0
    handles_kept_s: float = 30 * 86_400.0
    lane_idle_s: float = 3_600.0

    @property
    def locks(self) -> bool:
        """True when there is a session of our own on which the worker's lock can be held."""
        return not self.pooler or self.lock_url is not None
