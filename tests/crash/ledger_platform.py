"""One life of the ledger's platform: a real process with all roles, a real port, and a gateway that only records.

    python ledger_platform.py '{"url": …, "folder": …, "kill_at": "settled", "kill_after": 3}'

It prints `READY <port>` when it takes updates, stops gracefully on SIGTERM, and with `kill_at` kills itself with
SIGKILL at that point of the road, the `kill_after`-th time it comes by. The points are wrapped around the store's
methods here, so that the platform itself knows nothing of them.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

import ledger_app
import structlog

from posthouse import bootstrap
from posthouse.core.errors import PosthouseError

LOG_LEVEL = 30  # warnings: a life is short and its log is read only when it failed


class RecordingGateway:
    """Telegram as far as the ledger needs it: each call is recorded in the middle of its time on the wire."""

    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        await asyncio.sleep(random.uniform(0.0, 0.003))
        ledger_app.record(json.loads(payload)["text"])
        await asyncio.sleep(random.uniform(0.0, 0.003))
        return {"message_id": 1}

    async def close(self) -> None:
        return


class Killer:
    """Kills this process the n-th time one named point is passed."""

    def __init__(self, point: str | None, after: int) -> None:
        self.point = point
        self.left = after

    def passes(self, point: str, worth: object = True) -> None:
        if point == self.point and worth:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def arm(self, store: Any) -> None:
        """Wrap the methods of an open store."""
        for part, name, before, after in (
            ("inbox", "ingest", "ingesting", "ingested"),
            ("turns", "claim", "", "claimed"),
            ("turns", "settle", "performed", ""),
            ("outbox", "claim", "", "delivery claimed"),
            ("outbox", "settle", "sent", "delivered"),
            ("jobs", "claim", "", "job claimed"),
            ("jobs", "settle", "job done", "job settled"),
            ("jobs", "fire_timers", "", "timers fired"),
        ):
            target = getattr(store, part)
            setattr(target, name, self._around(getattr(target, name), before, after))
        # After the commit, before the process knows of it: the memory of SQLite's lanes, PostgreSQL's wake-ups.
        follow = "wrote" if hasattr(store.turns, "wrote") else "announce"
        setattr(store.turns, follow, self._before(getattr(store.turns, follow), "settled"))
        opened = store.turns.open

        async def open_transaction(*args: Any, **options: Any) -> Any:
            transaction = await opened(*args, **options)
            transaction.commit = self._around(transaction.commit, "transacting", "transacted")
            return transaction

        store.turns.open = open_transaction

    def _around(self, method: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        async def wrapped(*args: Any, **options: Any) -> Any:
            self.passes(before)
            result = await method(*args, **options)
            self.passes(after, result if not isinstance(result, tuple) else result[0])
            return result

        return wrapped

    def _before(self, method: Callable[..., Any], point: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            self.passes(point)
            return method(*args, **options)

        return wrapped


def warm_up(url: str) -> None:
    """Import what `build` will need, so that a process that waits for its turn is quick when it comes."""
    store = "sqlite" if url.startswith("sqlite") else "postgres"
    for module in (f"adapters.{store}", "adapters.http.ingress", "adapters.http.server", "adapters.blobs.folder"):
        importlib.import_module(f"posthouse.{module}")


def tell_who_waits() -> None:
    """On SIGUSR2: where every task stands, for whoever looks at a test that hangs."""
    for task in asyncio.all_tasks():
        task.print_stack(limit=6, file=sys.stderr)


async def main(
    options: dict[str, Any],
    *,
    settings_for: Callable[..., Any] = ledger_app.settings_for,
    gateway: Any = None,
    killer: Killer | None = None,
) -> None:
    if options.get("file_bytes_max"):  # the disk is full beyond this size
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options["file_bytes_max"], resource.RLIM_INFINITY))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LOG_LEVEL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    if options.get("waits"):
        warm_up(options["url"])
        await asyncio.to_thread(sys.stdin.readline)
    settings = settings_for(options["url"], options["folder"], **options.get("settings", {}))
    platform = bootstrap.build(settings, gateway=gateway or RecordingGateway())
    killer = killer or Killer(options.get("kill_at"), options.get("kill_after", 1))
    open_store = platform.store.open

    async def open_and_arm() -> None:
        await open_store()
        if killer.point is not None:
            killer.arm(platform.store)

    platform.store.open = open_and_arm  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, platform.stop)
    loop.add_signal_handler(signal.SIGUSR2, tell_who_waits)
    if options.get("file_bytes_max"):
        loop.add_signal_handler(  # somebody freed space
            signal.SIGUSR1,
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
        )
    running = asyncio.ensure_future(platform.run())
    ready = asyncio.ensure_future(platform.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if platform.ready.is_set():
        print(f"READY {platform.server.port}", flush=True)  # type: ignore[union-attr]
    ready.cancel()
    await running


if __name__ == "__main__":
    try:
        asyncio.run(main(json.loads(sys.argv[1])))
    except PosthouseError as error:
        sys.exit(f"{type(error).__name__}: {error}")
