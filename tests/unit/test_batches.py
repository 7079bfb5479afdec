"""Natural batches: who hears what of a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from posthouse.core.errors import StoreUnavailable
from posthouse.runtime.batches import Batches

Heard = list[tuple[str, str | None, BaseException | None]]


class Shelf:
    """Commits what it is given, unless it is told to refuse an item, or everything."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.refused = ""
        self.away = False

    async def commit(self, items: Sequence[str]) -> list[str]:
        await asyncio.sleep(0)
        self.batches.append(list(items))
        if self.away:
            raise StoreUnavailable("away")
        if self.refused in items:
            raise ValueError(self.refused)
        return [item.upper() for item in items]


def put(batches: Batches[str, str], heard: Heard, *items: str) -> None:
    for item in items:
        batches.put(item, lambda result, error, item=item: heard.append((item, result, error)))  # type: ignore[misc]


async def test_everyone_hears_the_result_of_their_own_item() -> None:
    """What arrives while a commit is under way is the next batch."""
    shelf, heard = Shelf(), Heard()
    batches = Batches(shelf.commit)
    put(batches, heard, "a", "b")
    await asyncio.sleep(0)  # the first commit has begun
    put(batches, heard, "c")
    await batches.flush()
    assert heard == [("a", "A", None), ("b", "B", None), ("c", "C", None)]
    assert shelf.batches == [["a", "b"], ["c"]]


async def test_an_item_that_cannot_be_written_fails_alone() -> None:
    """The others of its batch are committed one by one; a store that is away fails them all."""
    shelf, heard = Shelf(), Heard()
    batches = Batches(shelf.commit)
    shelf.refused = "b"
    put(batches, heard, "a", "b", "c")
    await batches.flush()
    assert [(item, result) for item, result, _ in heard] == [("a", "A"), ("b", None), ("c", "C")]
    assert repr(heard[1][2]) == "ValueError('b')"
    heard.clear()
    shelf.away = True
    put(batches, heard, "a", "c")
    await batches.flush()
    assert [(item, type(error)) for item, _, error in heard] == [("a", StoreUnavailable), ("c", StoreUnavailable)]


async def test_a_listener_that_fails_does_not_keep_the_others_from_hearing() -> None:
    """Its error goes to the event loop's handler."""
    shelf, heard = Shelf(), Heard()
    batches = Batches(shelf.commit)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    failure = RuntimeError("mine")

    def fails(result: str | None, error: BaseException | None) -> None:
        raise failure

    put(batches, heard, "a")
    batches.put("b", fails)
    put(batches, heard, "c")
    await batches.flush()
    assert [(item, result) for item, result, _ in heard] == [("a", "A"), ("c", "C")]
    assert told == [failure]


async def test_who_awaits_gets_the_result_or_the_error() -> None:
    """`submit` is `put` for those who can wait."""
    shelf = Shelf()
    batches = Batches(shelf.commit)
    assert await batches.submit("a") == "A"
    shelf.away = True
    with pytest.raises(StoreUnavailable):
        await batches.submit("b")
