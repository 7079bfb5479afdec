"""The outbox: deliveries leave in order, within Telegram's limits.

Everything that several processes must agree on stands in the database: the bots' budgets (one GCRA timestamp each),
the chats' pace and pauses (on their lanes), who is sending what (leases). What a bot is allowed is written down with
its budget before the first claim; the process that told last is right. A bot nobody set limits for has none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from posthouse.adapters.postgres.database import Database, Row, text, texts
from posthouse.adapters.postgres.effects import delivery_columns, written
from posthouse.adapters.postgres.turns import Bells
from posthouse.adapters.postgres.worker import Worker
from posthouse.core.effects import Outgoing, Priority
from posthouse.core.leases import DeliveryLease, DeliverySettlement
from posthouse.ports.store import BotLimits

CHAT_LANE = 1
ANSWER_LANE = 3


class PostgresOutbox:
    """Outbound lanes and their leases; see `ports.store.Outbox`."""

    def __init__(self, database: Database, worker: Worker, bells: Bells) -> None:
        self._database = database
        self._worker = worker
        self._bells = bells
        self._ttl_s = database.settings.delivery_ttl_s
        self._limits: dict[int, BotLimits] = {}
        self._untold: dict[int, BotLimits] = {}  # not yet in the database
        self._after = 0

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        """Tell what a bot is allowed."""
        self._limits[bot_id] = self._untold[bot_id] = limits

    async def _tell_limits(self) -> None:
        if self._untold:
            told = dict(self._untold)
            await self._database.fetch("budget_save", *_limit_columns(told))
            self._untold = {bot: limits for bot, limits in self._untold.items() if told.get(bot) is not limits}

    async def ready(self) -> None:
        """Wait until a delivery may be claimable."""
        await self._bells.outbox.wait()

    async def claim(self, limit: int) -> list[DeliveryLease]:
        """Take up to `limit` head deliveries that their chat's pace and bot's budget allow now, by priority."""
        await self._tell_limits()
        async with self._worker.claim() as (owner, token):
            leases = await self._claim(limit, token, owner)
        if leases:
            self._after = leases[-1].bot_id  # the next claim begins with the bot after this one
            leases.sort(key=_by_priority)
            self._bells.outbox.found()
        else:
            self._bells.outbox.missed((await self._database.fetch("delivery_next"))[0][0])
        return leases

    async def _claim(self, limit: int, token: int, owner: int) -> list[DeliveryLease]:
        while True:
            rows = await self._database.fetch_once("delivery_claim", limit, token, owner, self._ttl_s, self._after)
            strangers = [row["bot_id"] for row in rows if row["id"] is None]
            if not strangers:
                return [_lease(row, token) for row in rows]
            await self._database.fetch("budget_create", strangers)
            leases = [_lease(row, token) for row in rows if row["id"] is not None]
            if leases:
                return leases

    async def settle(self, settlements: Sequence[DeliverySettlement]) -> list[bool]:
        """End deliveries, pace their chats, remember message handles; False where the lease was lost."""
        if not settlements:
            return []
        if any(s.migrated_to is not None for s in settlements):
            rows = await self._database.commit(lambda connection: self._settle_and_move(connection, settlements))
        else:
            rows = await self._database.fetch("delivery_settle", *self._settle_columns(settlements))
        if any(row["more"] for row in rows) or any(s.migrated_to is not None for s in settlements):
            self._bells.outbox.ring()
        return written(rows, len(settlements))

    async def _settle_and_move(self, connection: Any, settlements: Sequence[DeliverySettlement]) -> list[Row]:
        """Settle, then move what waits in a chat to the chat that it became (a group made a supergroup)."""
        sql = self._database.sql
        rows: list[Row] = await connection.fetch(sql["delivery_settle"], *self._settle_columns(settlements))
        for kept, settlement in zip(written(rows, len(settlements)), settlements, strict=True):
            lease, chat = settlement.lease, settlement.migrated_to
            if not kept or chat is None or chat == lease.chat:
                continue
            waiting = await connection.fetch(sql["migrate_lock"], lease.bot_id, lease.chat, chat)
            payloads = [_readdressed(row["payload"], lease.chat, chat) for row in waiting]
            ids = [row["id"] for row in waiting]
            await connection.fetch(sql["migrate_move"], lease.bot_id, lease.chat, chat, ids, payloads)
        return rows

    def _settle_columns(self, settlements: Sequence[DeliverySettlement]) -> list[list[Any]]:
        return [
            [s.lease.bot_id for s in settlements],
            [s.lease.chat for s in settlements],
            [ANSWER_LANE if s.lease.priority == Priority.ANSWER else CHAT_LANE for s in settlements],
            [s.lease.token for s in settlements],
            [s.lease.id for s in settlements],
            [s.lease.priority for s in settlements],
            [s.delay_s is None for s in settlements],
            [s.delay_s or 0.0 for s in settlements],
            [s.lease.attempts if s.counted else s.lease.attempts - 1 for s in settlements],
            [s.unknown for s in settlements],
            [s.delay_s is not None and not s.counted for s in settlements],
            [0.0 if s.lease.priority == Priority.ANSWER else s.pace_s for s in settlements],
            [texts(s.reason) for s in settlements],
            [text(s.error) for s in settlements],
            [texts(s.lease.handle) if s.sent else None for s in settlements],
            [s.message_id for s in settlements],
        ]

    async def admit(self, bot_id: int, chat: int | None) -> float:
        """Spend one call of the bot's (and chat's) budget now, or say how many seconds to wait."""
        await self._tell_limits()
        arguments = (bot_id, chat, *self._chat_budget(bot_id, chat))
        rows = await self._database.fetch_once("admit", *arguments)
        if not rows:
            await self._database.fetch("budget_create", [bot_id])
            rows = await self._database.fetch_once("admit", *arguments)
        wait_s: float = rows[0][0]
        return wait_s

    def _chat_budget(self, bot_id: int, chat: int | None) -> tuple[float, int]:
        """(seconds per call, burst) of a chat; groups and channels have negative ids."""
        limits = self._limits.get(bot_id)
        if limits is None or chat is None:
            return 0.0, 1
        if chat < 0:
            return _cost_s(limits.group_per_min / 60), max(limits.group_burst, 1)
        return _cost_s(limits.chat_per_s), max(limits.chat_burst, 1)

    async def pause(self, bot_id: int, chat: int | None, delay_s: float) -> None:
        """Close a bot (chat None) or one chat until `delay_s` from now."""
        if chat is None:
            await self._database.fetch("pause_bot", bot_id, delay_s)
        else:
            await self._database.fetch("pause_chat", bot_id, chat, delay_s)

    async def post(self, deliveries: Sequence[Outgoing]) -> None:
        """Write deliveries outside any turn, at once."""
        if deliveries:
            await self._database.fetch_once("post", *delivery_columns(deliveries))
            self._bells.outbox.ring()

    async def message_id(self, bot_id: int, chat: int, handle: str) -> int | None:
        """The Telegram message id last sent under `handle` in this chat."""
        rows = await self._database.fetch("message_id", bot_id, chat, text(handle))
        return rows[0][0] if rows else None


def _lease(row: Row, token: int) -> DeliveryLease:
    id, bot_id, chat, attempts, method, payload, priority, when_uncertain, handle, cause, trace, at, unknown = row
    return DeliveryLease(
        id, bot_id, chat, token, attempts, method, payload, priority, when_uncertain, handle, cause, trace, at, unknown
    )


def _by_priority(lease: DeliveryLease) -> tuple[int, int]:
    return lease.priority, lease.id


def _cost_s(per_s: float) -> float:
    return 1 / per_s if per_s > 0 else 0.0


def _limit_columns(limits: dict[int, BotLimits]) -> tuple[list[Any], ...]:
    """bot, seconds per call, burst, seconds per paid broadcast, burst of those: as `budget_save.sql` takes them."""
    return (
        list(limits),
        [_cost_s(x.bot_per_s) for x in limits.values()],
        [max(x.bot_burst, 1) for x in limits.values()],
        [_cost_s(x.broadcast_per_s) for x in limits.values()],
        # A tenth of a second's worth: claims come some ten times a second.
        [max(int(x.broadcast_per_s / 10), 1) for x in limits.values()],
    )


def _readdressed(payload: bytes, old: int, new: int) -> bytes:
    """The parameters with the chat's new id, when they name the old one."""
    try:
        parameters = json.loads(payload)
    except ValueError:
        return payload
    if not isinstance(parameters, dict) or str(parameters.get("chat_id")) != str(old):
        return payload
    return json.dumps(parameters | {"chat_id": new}, separators=(",", ":")).encode()
