"""The one connection that writes, on its own thread.

    submit(op) ─► queue ─► BEGIN · epoch · op op op … · COMMIT (one fsync) ─► every future at once

A batch is whatever queued up while the last commit was being written: no timer, so an idle store answers after one
fsync and a busy one shares it. An operation is a function of the connection and may be run again: when one of a batch
fails, the whole batch is rolled back and its operations run once more, each in a SAVEPOINT, so that only the guilty
one fails. The writer also checkpoints, because one connection that does both cannot meet the WAL-reset bug of
SQLite 3.7.0 … 3.51.2 (durability.md §7.7).

A turn's own transaction (`turn.transact`) is a *session*: the writer serves nobody else until it ends or its budget
is used up.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from posthouse.adapters.sqlite.settings import SqliteSettings
from posthouse.core.errors import PosthouseError, StoreLocked, StoreUnavailable, TransactionTimeout

R = TypeVar("R")
Operation = Callable[[sqlite3.Connection], Any]

_STOP = object()
_NOTHING = object()


class Writer:
    """Owns the writing connection. `submit` from the event loop; everything else happens on the thread."""

    def __init__(
        self,
        settings: SqliteSettings,
        epoch: int,
        connection: sqlite3.Connection,
        *,
        before_commit: Callable[[sqlite3.Connection], None] = lambda connection: None,
    ) -> None:
        self._settings = settings
        self._epoch = epoch
        self._connection = connection
        self._before_commit = before_commit
        self._session: WriterSession | None = None
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._checkpointed_at = 0
        self._closed = False
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation) -> asyncio.Future[Any]:
        """Queue an operation; the future has its result once the batch is on disk."""
        future = self._loop.create_future()
        if self._closed:
            future.set_exception(StoreUnavailable("the SQLite store is closed"))
            return future
        self._queue.put((operation, future))
        return future

    def open_session(self, budget_s: float) -> WriterSession:
        """Reserve the connection for one turn's transaction."""
        session = WriterSession(self._loop, budget_s)
        self._queue.put((session, session.opened))
        return session

    async def close(self) -> None:
        """Write what is queued, then stop."""
        if self._closed:
            return
        self._closed = True
        self._end_session()
        self._queue.put((_STOP, None))
        await asyncio.to_thread(self._thread.join)

    def abandon(self) -> None:
        """Drop the connection as a crash would: what is not committed is lost (for tests)."""
        self._closed = True
        self._end_session()
        self._connection.interrupt()
        self._queue.put((_STOP, None))
        self._thread.join()

    def _end_session(self) -> None:
        """A turn that keeps its transaction open must not keep a closing store open."""
        session = self._session
        if session is not None:
            session.commands.put((None, self._loop.create_future(), True))

    # -- on the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        pending: Any = None
        while True:
            first = pending if pending is not None else self._queue.get()
            pending = None
            batch = []
            item = first
            while True:
                if item[0] is _STOP or isinstance(item[0], WriterSession):
                    pending = item
                    break
                batch.append(item)
                if len(batch) >= self._settings.batch_max:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._write(batch)
            if pending is not None:
                if pending[0] is _STOP:
                    self._stop()
                    return
                self._serve(pending[0])
                pending = None
            self._checkpoint_if_due()

    def _write(self, batch: list[tuple[Operation, asyncio.Future[Any]]]) -> None:
        try:
            results = self._together(batch)
        except Exception:
            results = self._one_by_one(batch)
        self._deliver([(future, result) for (_, future), result in zip(batch, results, strict=True)])

    def _together(self, batch: list[tuple[Operation, asyncio.Future[Any]]]) -> list[Any]:
        connection = self._connection
        try:
            self._begin()
            results = [operation(connection) for operation, _ in batch]
            self._before_commit(connection)
            connection.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        self.commits += 1
        return results

    def _one_by_one(self, batch: list[tuple[Operation, asyncio.Future[Any]]]) -> list[Any]:
        connection = self._connection
        results: list[Any] = []
        try:
            self._begin()
            for operation, _ in batch:
                connection.execute("SAVEPOINT op")
                try:
                    results.append(operation(connection))
                except Exception as error:
                    if not connection.in_transaction:
                        raise  # SQLite gave the whole transaction up (disk full, I/O error)
                    connection.execute("ROLLBACK TO op")
                    results.append(_Failure(error))
                connection.execute("RELEASE op")
            self._before_commit(connection)
            connection.execute("COMMIT")
        except Exception as error:
            self._rollback()
            return [_Failure(error)] * len(batch)
        self.commits += 1
        return results

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        # Nothing comes back when all is well: a row would cost a second way out of the interpreter's lock and back.
        other = self._connection.execute(
            "SELECT value FROM meta WHERE key = 'epoch' AND value <> ?", (self._epoch,)
        ).fetchone()
        if other is not None:
            raise StoreLocked(
                f"another process took over {self._settings.path} (epoch {other[0]}, ours {self._epoch}): "
                "this one must stop; run one process per SQLite file, or use PostgreSQL"
            )

    def _rollback(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass

    def _deliver(self, results: list[tuple[asyncio.Future[Any], Any]]) -> None:
        try:
            self._loop.call_soon_threadsafe(_resolve, results, self._settings.path)
        except RuntimeError:
            pass  # the loop is gone: nobody waits

    def _serve(self, session: WriterSession) -> None:
        """Work for one turn's transaction until it ends or its budget is used up."""
        try:
            self._begin()
        except Exception as error:
            self._rollback()
            self._deliver([(session.opened, _Failure(error))])
            return
        self._session = session
        deadline = time.monotonic() + session.budget_s
        self._deliver([(session.opened, None)])
        while not session.ended:
            try:
                operation, future, last = session.commands.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                session.expired = True
                break
            result = self._obey(session, operation, last=last, deadline=deadline)
            if last or session.expired:
                self._rollback()
                session.end()  # before anybody hears of it: whoever hears of it may ask again
            self._deliver([(future, result)])
        self._session = None
        self._rollback()
        session.end()

    def _obey(self, session: WriterSession, operation: Operation | None, *, last: bool, deadline: float) -> Any:
        """One command of a turn's transaction: its result or its failure."""
        if operation is None:
            return None
        try:
            result = operation(self._connection)
            if last:
                self._before_commit(self._connection)
                self._connection.execute("COMMIT")
                self.commits += 1
        except BaseException as error:  # the author's function may even call sys.exit: this thread must not end
            return _Failure(error)
        if not last and time.monotonic() > deadline:
            session.expired = True
            return _Failure(session.timeout())
        return result

    def _checkpoint_if_due(self) -> None:
        due = self._settings.checkpoint_commits
        if self.commits - self._checkpointed_at < (due if self._queue.qsize() else due // 2):
            return  # a quiet moment is a better one
        self._checkpointed_at = self.commits
        try:
            _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages * 4096 > self._settings.wal_max_bytes:
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error:
            pass  # tried again after the next commits; the log only grows

    def _stop(self) -> None:
        while True:
            try:
                _, future = self._queue.get_nowait()
            except queue.Empty:
                break
            if future is not None:
                self._deliver([(future, _Failure(StoreUnavailable("the SQLite store is closed")))])
        try:
            self._connection.close()
        except sqlite3.Error:
            pass


class WriterSession:
    """One turn's reservation of the writing connection. Its calls are awaited from the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, budget_s: float) -> None:
        self.commands: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.opened: asyncio.Future[Any] = loop.create_future()
        self.budget_s = budget_s
        self.expired = False
        self.ended = False
        self._loop = loop
        self._guard = threading.Lock()

    async def run(self, operation: Operation, *, last: bool = False) -> Any:
        """Run one operation in the open transaction; with `last` commit after it."""
        future = self._loop.create_future()
        with self._guard:
            if self.ended:
                raise self.timeout() if self.expired else StoreUnavailable("this transaction has ended")
            self.commands.put((operation, future, last))
        return await future

    async def rollback(self) -> None:
        future = self._loop.create_future()
        with self._guard:
            if self.ended:
                return
            self.commands.put((None, future, True))
        await future

    def timeout(self) -> TransactionTimeout:
        return TransactionTimeout(
            f"the turn kept its transaction open longer than {self.budget_s:g} s, so it was rolled back: do slow work "
            "before turn.transact or in a job, or raise `transact_budget_s`"
        )

    def end(self) -> None:
        """Called by the writer: nothing more is taken; whoever still waits learns why. A rollback has what it wants."""
        with self._guard:
            self.ended = True
        error = self.timeout() if self.expired else StoreUnavailable("this transaction has ended")
        while True:
            try:
                operation, future, _ = self.commands.get_nowait()
            except queue.Empty:
                return
            result = None if operation is None else _Failure(error)
            self._loop.call_soon_threadsafe(_resolve, [(future, result)], "")


class _Failure:
    """An exception on its way from the thread to a future."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _resolve(results: list[tuple[asyncio.Future[Any], Any]], path: str) -> None:
    for future, result in results:
        if future.done():
            continue
        if type(result) is _Failure:
            error = _explained(result.error, path)
            if isinstance(error, StopIteration):  # a future cannot carry it
                error = RuntimeError(f"the function raised {error!r}")
            future.set_exception(error)
        else:
            future.set_result(result)


def _explained(error: BaseException, path: str) -> BaseException:
    """SQLite's words as ours: what is wrong, where, and the mend."""
    if isinstance(error, PosthouseError) or not isinstance(error, sqlite3.Error):
        return error
    text = str(error)
    if "full" in text:
        return StoreUnavailable(f"the disk that holds {path} is full: nothing was written; free space and go on")
    if isinstance(error, sqlite3.IntegrityError):
        return error
    if "locked" in text or "busy" in text:
        return StoreUnavailable(f"{path} is locked by another program: close it ({text})")
    if "readonly" in text:
        return StoreUnavailable(f"{path} cannot be written: check its permissions and its directory's ({text})")
    return StoreUnavailable(f"SQLite could not write {path}: {text}")
