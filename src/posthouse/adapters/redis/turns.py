"""Turns over two stores: leases with what Redis remembers, settlements taken apart. The table is in `hashes`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from posthouse.adapters.redis.changes import Change, Split, is_platforms, split
from posthouse.adapters.redis.hashes import SessionHashes
from posthouse.core.effects import Effects, StateWrite
from posthouse.core.errors import StoreUnavailable
from posthouse.core.leases import Lease, Settlement, rounds
from posthouse.ports.store import Turns, TurnTransaction

R = TypeVar("R")

AGAIN_S = 0.001  # how soon a turn runs again whose session had moved


def given_back(lease: Lease) -> Settlement:
    """The end of a lease of which nothing is written: the lane is free again, the try counted."""
    return Settlement(lease, [], Effects(), delay_s=AGAIN_S)


class RedisTurns:
    """`Turns` whose state and sessions are in Redis."""

    def __init__(self, turns: Turns, hashes: SessionHashes) -> None:
        self.database = turns
        self._hashes = hashes

    async def ready(self) -> None:
        await self.database.ready()

    async def claim(self, limit: int, depth: int) -> list[Lease]:
        """Take lanes; when Redis does not answer they go on waiting, and `StoreUnavailable` is raised."""
        leases = await self.database.claim(limit, depth)
        if leases:
            try:
                await self._hashes.begin(leases)
            except BaseException:
                with suppress(StoreUnavailable):  # then they wait until their leases have run out
                    await self.database.release(leases)
                raise
        return leases

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        verdicts: dict[int, bool] = {}
        for batch in rounds(settlements):
            for settlement, kept in zip(batch, await self._settle(batch), strict=True):
                verdicts[id(settlement)] = kept
        return [verdicts[id(settlement)] for settlement in settlements]

    async def _settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        splits = await self.prepare(settlements)
        kept = await self.database.settle(
            [given_back(one.settlement.lease) if one.refused else one.settlement for one in splits]
        )
        verdicts = [held and not one.refused for held, one in zip(kept, splits, strict=True)]
        await self.carry_out([one for held, one in zip(verdicts, splits, strict=True) if held])
        return verdicts

    async def prepare(self, settlements: Sequence[Settlement]) -> list[Split]:
        """Take settlements apart and lay their changes beside what their chats remember."""
        splits = [self._split(settlement) for settlement in settlements]
        places = [place for place, one in enumerate(splits) if one.change is not None]
        while places:
            answers = await self._hashes.prepare([_wanted(splits[place]) for place in places])
            again = []
            for place, answer in zip(places, answers, strict=True):
                if answer.absent:  # made before Redis was chosen, or gone: the database knows, or refuses
                    splits[place] = self._split(settlements[place], answer.absent)
                    if splits[place].change is not None:
                        again.append(place)
                else:
                    splits[place].refused = not answer.ok
            places = again
        return splits

    def _split(self, settlement: Settlement, absent: frozenset[str] = frozenset()) -> Split:
        hashes = self._hashes
        return split(settlement, hashes.keys, ttl_s=hashes.ttl_s, now=hashes.clock.now(), absent=absent)

    async def carry_out(self, splits: Sequence[Split]) -> None:
        """Follow the commit of these in Redis."""
        changes = [_wanted(one) for one in splits if one.change is not None]
        if changes:
            await self._hashes.carry_out(changes)

    async def extend(self, leases: Sequence[Lease]) -> list[Lease]:
        return await self.database.extend(leases)

    async def release(self, leases: Sequence[Lease]) -> None:
        await self.database.release(leases)

    async def open(self, lease: Lease, *, budget_s: float) -> RedisTurnTransaction:
        return RedisTurnTransaction(self, await self.database.open(lease, budget_s=budget_s))

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        platforms = [name for name in names if is_platforms(name)]
        others = [name for name in names if not is_platforms(name)]
        found = await self.database.read_states(bot_id, lane, platforms) if platforms else {}
        return {**found, **(await self._hashes.pieces(bot_id, lane, others) if others else {})}

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        """Write to Redis, and then delete what the database may have of it: what is there counts as newer."""
        platforms = [write for write in writes if is_platforms(write.name)]
        if platforms:
            await self.database.write_states(platforms)
        chats: dict[tuple[int, int], list[StateWrite]] = {}
        for write in writes:
            if not is_platforms(write.name):
                chats.setdefault((write.bot_id, write.lane), []).append(write)
        for (bot_id, lane), ours in chats.items():
            await self._hashes.write(bot_id, lane, ours)
            newer = await self.database.read_states(bot_id, lane, list({write.name for write in ours}))
            if newer:
                await self.database.write_states([StateWrite(bot_id, lane, name, None) for name in newer])


class RedisTurnTransaction:
    """`TurnTransaction` whose commit is prepared in Redis. The transaction is open meanwhile: one call, bounded."""

    def __init__(self, turns: RedisTurns, transaction: TurnTransaction) -> None:
        self._turns = turns
        self._transaction = transaction

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        return await self._transaction.run(function, *args)

    async def commit(self, settlement: Settlement) -> bool:
        [one] = await self._turns.prepare([settlement])
        if one.refused:
            await self._transaction.rollback()
            await self._turns.database.settle([given_back(settlement.lease)])
            return False
        held = await self._transaction.commit(one.settlement)
        if held:
            await self._turns.carry_out([one])
        return held

    async def rollback(self) -> None:
        await self._transaction.rollback()


def _wanted(one: Split) -> tuple[Lease, Change]:
    assert one.change is not None
    return one.settlement.lease, one.change
