"""Natural batches: whatever arrived while the last commit was being written is the next one.

No timer: when nothing runs, one item is committed at once and alone; under load the batch grows by itself, bounded by
`size_max`. With `parallel` above 1 the next batch starts before the last has ended (stores that have several
connections).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from posthouse.core.errors import StoreUnavailable

T = TypeVar("T")
R = TypeVar("R")
Ended = Callable[[R | None, BaseException | None], None]


class Batches(Generic[T, R]):
    """Collects items and hands them to `commit`, which returns one result for each."""

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
        *,
        size_max: int = 256,
        parallel: int = 1,
    ) -> None:
        self._commit = commit
        self._size_max = size_max
        self._parallel = parallel
        self._waiting: deque[tuple[T, Ended[R]]] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Queue an item; the future has its result, or the error of its whole batch, when the commit has returned."""
        future: asyncio.Future[R] = self._loop.create_future()
        self.put(item, partial(_resolve, future))
        return future

    def put(self, item: T, ended: Ended[R]) -> None:
        """Queue an item; `ended(result, None)` or `ended(None, error)` is called when the commit has returned.

        A call that costs no task and no future; it must not take long, as the rest of its batch waits for it.
        """
        self._waiting.append((item, ended))
        # A second batch starts beside the first only when it is worth its round trip.
        if self._running < self._parallel and (not self._running or len(self._waiting) >= self._size_max // 4):
            self._running += 1
            task = self._loop.create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Wait until everything that was submitted is committed or has failed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._commit_batch()
        finally:
            # At once, not when the task's callbacks run: an item submitted in between must start a new drain.
            self._running -= 1

    async def _commit_batch(self) -> None:
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(min(len(waiting), self._size_max))]
        try:
            results = await self._commit([item for item, _ in batch])
        except asyncio.CancelledError as error:
            self._end(batch, [None] * len(batch), error)
            raise
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, StoreUnavailable):
                await self._commit_one_by_one(batch)  # one of them cannot be written; the others can
            else:
                self._end(batch, [None] * len(batch), error)
        else:
            # Not before the next commit has begun: the disk need not wait for us.
            self._loop.call_soon(self._end, batch, results, None)

    async def _commit_one_by_one(self, batch: Sequence[tuple[T, Ended[R]]]) -> None:
        for item in batch:
            try:
                results = await self._commit([item[0]])
            except Exception as error:
                self._end([item], [None], error)
            else:
                self._end([item], results, None)

    def _end(
        self, batch: Sequence[tuple[T, Ended[R]]], results: Sequence[R | None], error: BaseException | None
    ) -> None:
        for (_, ended), result in zip(batch, results, strict=True):
            try:
                ended(result, error)
            except Exception as failure:  # it must not take the others' answers along
                self._loop.call_exception_handler({"message": f"{ended!r} failed", "exception": failure})


def _resolve(future: asyncio.Future[R], result: R | None, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result
    elif isinstance(error, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(error)
        future.exception()  # whoever waited may have gone: that is no warning
