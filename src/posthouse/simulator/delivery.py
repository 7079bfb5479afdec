"""Pushing updates to webhooks, the way Telegram does.

    Webhooks ── one Pusher for each bot with a URL ── up to max_connections deliveries, one per sub-queue

A 2xx settles an update; anything else, a broken connection or 60 s of silence schedules another attempt,
until the update's lifetime would be over. A 2xx answer that carries a `method` is performed as a call. HTTP
410 for 23 hours removes the webhook. Deliberately absent: the careful opening of connections to a receiver
that was down (facts 3.7), so a receiver that comes back gets its backlog faster than from Telegram.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from posthouse.simulator.bodies import parse
from posthouse.simulator.bots import Bot, Webhook
from posthouse.simulator.calls import answer_call
from posthouse.simulator.clock import sleep_until, within
from posthouse.simulator.faults import DELIVERY_KINDS, FaultRule
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.updates import SubQueue, Update
from posthouse.simulator.world import World

ANSWER_LIMIT_S = 60.0
GONE_FOR_S = 23 * 3600.0
ANSWER_BYTES_MAX = 1 << 20
NOT_FROM_ANSWER = frozenset({"setwebhook", "deletewebhook", "close", "logout"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver said; `error` is the text for getWebhookInfo when it was no success."""

    error: str | None = None
    status: int = 0
    retry_after_s: float = 0.0
    content_type: str = ""
    body: bytes = b""


class Webhooks:
    """Keeps one pusher running for every bot that has a webhook."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._pushers: dict[Bot, tuple[Webhook, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        ) as session:
            try:
                while True:
                    ring = self.world.webhooks_bell.next_ring()
                    await self._stop_outdated()
                    self._start_missing(session)
                    await ring
            finally:
                await self._stop(list(self._pushers))

    async def _stop_outdated(self) -> None:
        bots = self.world.town.bots
        await self._stop(
            [
                bot
                for bot, (webhook, _) in self._pushers.items()
                if bots.get(bot.id) is not bot or bot.webhook is not webhook
            ]
        )

    async def _stop(self, bots: list[Bot]) -> None:
        tasks = [self._pushers.pop(bot)[1] for bot in bots]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_missing(self, session: aiohttp.ClientSession) -> None:
        for bot in self.world.town.bots.values():
            if bot.webhook.url and bot not in self._pushers:
                pusher = Pusher(self.world, bot, session)
                self._pushers[bot] = (bot.webhook, asyncio.create_task(pusher.run()))


class Pusher:
    """Delivers one bot's updates to one webhook until it is cancelled."""

    def __init__(self, world: World, bot: Bot, session: aiohttp.ClientSession) -> None:
        self.world = world
        self.bot = bot
        self.webhook = bot.webhook
        self.session = session
        self._deliveries: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        try:
            while True:
                ring = self.bot.bell.next_ring()
                self._drop_expired()
                self._start_deliveries()
                await self._wait_for_work(ring)
        finally:
            for task in self._deliveries:
                task.cancel()
            await asyncio.gather(*self._deliveries, return_exceptions=True)

    def _drop_expired(self) -> None:
        for update in self.bot.queue.forget_expired(self.world.clock.now()):
            self._note("update.dropped", update, "its lifetime is over")

    def _start_deliveries(self) -> None:
        while len(self._deliveries) < self.webhook.max_connections:
            due = self.bot.queue.next_due(self.world.clock.now())
            if due is None:
                return
            task = asyncio.create_task(self._deliver(*due))
            self._deliveries.add(task)
            task.add_done_callback(self._end)

    def _end(self, delivery: asyncio.Task[None]) -> None:
        """A connection is free; only now, so that the pusher does not count it when it looks."""
        self._deliveries.discard(delivery)
        self.bot.bell.ring()

    async def _wait_for_work(self, ring: asyncio.Future[None]) -> None:
        """Until something new, a finished delivery, or a due retry."""
        retry_at = self.bot.queue.next_retry_at()
        if retry_at is None:
            await ring
            return
        retry = asyncio.ensure_future(sleep_until(self.world.clock, retry_at))
        try:
            await asyncio.wait({ring, retry}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            retry.cancel()

    async def _deliver(self, sub_queue: SubQueue, update: Update) -> None:
        """One attempt, settled: the sub-queue is free again, or parked until the retry."""
        rule = self._fault(update)
        if rule is not None and rule.kind == "late":
            self.bot.queue.park(sub_queue, self.world.clock.now() + rule.delay_s)
            self.bot.bell.ring()
            return
        try:
            reply = await self._post(update)
        except asyncio.CancelledError:
            self.bot.queue.release(sub_queue)
            raise
        if rule is not None and rule.kind == "lost_ack":
            reply = Reply("Webhook connection closed")
        self._watch_for_gone(reply)
        if reply.error is None:
            self._note("update.delivered", update)
            self.bot.queue.delivered(sub_queue, update)
        else:
            self._retry(sub_queue, update, reply)
        self.bot.bell.ring()
        await self._perform_answer(reply)
        if rule is not None and rule.kind == "duplicate":
            await self._post(update)
            self._note("update.delivered", update, "again, by a fault rule")

    def _retry(self, sub_queue: SubQueue, update: Update, reply: Reply) -> None:
        now = self.world.clock.now()
        self.webhook.last_error_at, self.webhook.last_error = now, reply.error or ""
        due_at = self.bot.queue.failed(sub_queue, update, retry_after_s=reply.retry_after_s, now=now)
        if due_at is None:
            self._note("update.dropped", update, f"{reply.error}; the next attempt would come too late")
        else:
            self._note("update.failed", update, reply.error, retry_in_s=due_at - now)

    async def _post(self, update: Update) -> Reply:
        try:
            return await within(self.world.clock, ANSWER_LIMIT_S, self._exchange(update))
        except TimeoutError:
            return Reply("Read timeout expired")
        except aiohttp.ClientConnectorError:
            return Reply("Can't connect to the webhook")
        except aiohttp.ClientError:
            return Reply("Webhook connection closed")

    async def _exchange(self, update: Update) -> Reply:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if self.webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self.webhook.secret
        async with self.session.post(
            self.webhook.url, data=update.body, headers=headers, allow_redirects=False
        ) as response:
            body = await response.read()
            if 200 <= response.status < 300:
                return Reply(None, response.status, 0.0, response.headers.get("Content-Type", ""), body)
            return Reply(
                f"Wrong response from the webhook: {response.status} {response.reason}",
                response.status,
                float(Parameters(dict(response.headers)).integer("Retry-After", low=0)),
            )

    async def _perform_answer(self, reply: Reply) -> None:
        """Perform the call that the webhook's answer carries; its result is thrown away."""
        if not reply.body or len(reply.body) > ANSWER_BYTES_MAX:
            return
        try:
            parameters = parse(b"", reply.content_type, reply.body)
        except Refusal:
            return
        method = parameters.text("method")
        if method and method.lower() not in NOT_FROM_ANSWER and not method.lower().startswith("get"):
            await answer_call(self.world, self.bot, method, parameters, via="webhook answer")

    def _watch_for_gone(self, reply: Reply) -> None:
        now = self.world.clock.now()
        if reply.status != 410:
            self.webhook.gone_since = None
        elif self.webhook.gone_since is None:
            self.webhook.gone_since = now
        elif now - self.webhook.gone_since >= GONE_FOR_S:
            self.bot.webhook = Webhook()
            self.world.journal.record("webhook.removed", bot_id=self.bot.id, text="410 for 23 hours")
            self.world.webhooks_bell.ring()

    def _fault(self, update: Update) -> FaultRule | None:
        rule = self.world.faults.fire(DELIVERY_KINDS, self.bot.id, None, update.kind)
        if rule is not None:
            self.world.note_fault(rule, bot_id=self.bot.id, chat_id=None, method=update.kind)
        return rule

    def _note(self, kind: str, update: Update, text: str | None = None, *, retry_in_s: float | None = None) -> None:
        self.world.journal.record(
            kind,
            bot_id=self.bot.id,
            text=text,
            update_id=update.id,
            update=update.kind,
            retry_in_s=retry_in_s,
        )
