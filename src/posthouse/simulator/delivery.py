"""Pushing updates to webhooks, the way Telegram does.

    Webhooks ── one Pusher for each bot with a URL ── up to max_connections deliveries, one per sub-queue

A 2xx settles an update; anything else, a broken connection or 60 s of silence schedules another attempt,
until the update's lifetime would be over. A 2xx answer that carries a `method` is performed as a call. HTTP
410 for 23 hours removes the webhook. New connections are opened with care (`connections`). Each attempt is in the
delivery log.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from posthouse.simulator.bodies import parse
from posthouse.simulator.bots import Bot, Webhook
from posthouse.simulator.calls import answer_call
from posthouse.simulator.clock import rung_or_due, within
from posthouse.simulator.connections import Connections
from posthouse.simulator.deliveries import ANSWER_BYTES_SHOWN, DeliveryRecord
from posthouse.simulator.faults import DELIVERY_KINDS, FaultRule, Target
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.updates import SubQueue, Update
from posthouse.simulator.world import World

ANSWER_LIMIT_S = 60.0
GONE_FOR_S = 23 * 3600.0
ANSWER_BYTES_MAX = 1 << 20
UNREACHABLE = "Can't connect to the webhook"
LOST_ACK = {"lost_ack": "Webhook connection closed", "timed_out": "Read timeout expired"}
NOT_FROM_ANSWER = frozenset({"setwebhook", "deletewebhook", "close", "logout"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver said; `error` is the text for getWebhookInfo when it was no success."""

    error: str | None = None
    status: int = 0
    retry_after_s: float = 0.0
    content_type: str = ""
    body: bytes = b""
    """Of a success, which may carry a call."""
    answer: bytes = b""
    """The body of anything else, for the log."""
    kept_alive: bool = False


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


@dataclass(slots=True)
class Attempt:
    """One try to deliver one update, for the log."""

    update: Update
    rule: FaultRule | None = None
    again: bool = False
    """After its acknowledgement, by a fault."""
    began_at: float = field(default_factory=time.monotonic)


class Pusher:
    """Delivers one bot's updates to one webhook until it is cancelled."""

    def __init__(self, world: World, bot: Bot, session: aiohttp.ClientSession) -> None:
        self.world = world
        self.bot = bot
        self.webhook = bot.webhook
        self.session = session
        self.connections = Connections(bot.webhook.max_connections, world.clock.now())
        self._address = Address.of(bot.webhook)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._blocked = False
        """There is work, and no connection for it."""
        self._held_back: list[tuple[SubQueue, Update]] = []
        """By the reorder fault, until another update has overtaken them."""

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
        now = self.world.clock.now()
        loaded_max = 2 * self.webhook.max_connections
        self._blocked = False
        while self.bot.queue.has_due(now, loaded_max):
            if not self.connections.take(now):
                self._blocked = True
                return
            due = self.bot.queue.next_due(now, loaded_max)
            assert due is not None
            task = asyncio.create_task(self._deliver(*due))
            self._deliveries.add(task)
            self.world.in_flight.add(task)
            task.add_done_callback(self._end)

    def _end(self, delivery: asyncio.Task[None]) -> None:
        """A connection is free; only now, so that the pusher does not count it when it looks."""
        self._deliveries.discard(delivery)
        self.world.in_flight.discard(delivery)
        if not self.world.in_flight:
            self.world.rest_bell.ring()
        self.bot.bell.ring()

    async def _wait_for_work(self, ring: asyncio.Future[None]) -> None:
        """Until something new, a finished delivery, a due retry, or the time for another connection."""
        if self._blocked:
            wake_at = self.connections.opening_at(self.world.clock.now())
        else:
            wake_at = self.bot.queue.next_retry_at()
        await rung_or_due(self.world.clock, ring, wake_at)

    async def _deliver(self, sub_queue: SubQueue, update: Update) -> None:
        """One attempt, settled: the sub-queue is free again, or parked until the retry."""
        attempt = Attempt(update, self._fault(update))
        rule = attempt.rule
        if rule is not None and rule.kind in ("late", "reorder"):
            self._hold_back(sub_queue, update, rule)
            return
        update.attempts += 1
        kept = False
        try:
            reply = await self._post(attempt)
            kept = reply.kept_alive
        except asyncio.CancelledError:
            self.bot.queue.release(sub_queue)
            raise
        finally:
            self.connections.give_back(kept=kept)
        if rule is not None and rule.kind in LOST_ACK:
            reply = Reply(LOST_ACK[rule.kind], answer=reply.body)
        self._watch_for_gone(reply)
        if reply.error is None:
            self._settle(sub_queue, attempt, reply)
        else:
            self._retry(sub_queue, attempt, reply)
        self.bot.bell.ring()
        await self._perform_answer(reply)
        if rule is not None and rule.kind == "duplicate":
            update.attempts += 1
            again = Attempt(update, rule, again=True)
            reply = await self._post(again)
            self._note("update.delivered", update, "again, by a fault rule")
            self._log(again, reply, "delivered" if reply.error is None else "failed")

    def _hold_back(self, sub_queue: SubQueue, update: Update, rule: FaultRule) -> None:
        self.connections.give_back(kept=True)
        self.bot.queue.park(sub_queue, self.world.clock.now() + rule.delay_s)
        if rule.kind == "reorder":
            self._held_back.append((sub_queue, update))
        self.bot.bell.ring()

    def _settle(self, sub_queue: SubQueue, attempt: Attempt, reply: Reply) -> None:
        now = self.world.clock.now()
        self.connections.succeeded(now)
        self._note("update.delivered", attempt.update)
        self.bot.queue.delivered(sub_queue, attempt.update, now)
        self._log(attempt, reply, "delivered")
        self._let_overtaken_go(attempt.update)

    def _let_overtaken_go(self, overtaker: Update) -> None:
        """What was held back goes on once a younger update of its chat, or of no chat, was delivered."""
        held = self._held_back
        self._held_back = []
        for sub_queue, update in held:
            same_place = update.chat_id is None or overtaker.chat_id in (None, update.chat_id)
            if update.gone or overtaker is update:
                continue
            if same_place:
                self.bot.queue.unpark(sub_queue)
            else:
                self._held_back.append((sub_queue, update))

    def _retry(self, sub_queue: SubQueue, attempt: Attempt, reply: Reply) -> None:
        now = self.world.clock.now()
        update = attempt.update
        self.webhook.last_error_at, self.webhook.last_error = now, reply.error or ""
        due_at = self.bot.queue.failed(sub_queue, update, retry_after_s=reply.retry_after_s, now=now)
        if due_at is None:
            self._note("update.dropped", update, f"{reply.error}; the next attempt would come too late")
            self._log(attempt, reply, "dropped")
        else:
            self._note("update.failed", update, reply.error, retry_in_s=due_at - now)
            self._log(attempt, reply, "failed", due_at)

    async def _post(self, attempt: Attempt) -> Reply:
        if attempt.rule is not None and attempt.rule.kind == "unreachable":
            return Reply(UNREACHABLE)
        try:
            return await within(self.world.clock, ANSWER_LIMIT_S, self._exchange(attempt.update))
        except TimeoutError:
            return Reply("Read timeout expired")
        except aiohttp.ClientConnectorSSLError as error:
            return Reply(f"Can't create an SSL connection: {error.os_error.strerror or error}")
        except aiohttp.ClientConnectorCertificateError as error:
            return Reply(f"Can't create an SSL connection: {error.certificate_error}")
        except aiohttp.ClientConnectorError:
            return Reply(UNREACHABLE)
        except (aiohttp.ClientError, UnicodeError, ValueError):
            return Reply("Webhook connection closed")

    async def _exchange(self, update: Update) -> Reply:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate", **self._address.headers}
        if self.webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self.webhook.secret
        async with self.session.post(
            self._address.url,
            data=update.body,
            headers=headers,
            allow_redirects=False,
            ssl=self._address.ssl,
            server_hostname=self._address.server_name,
        ) as response:
            body = await response.read()
            kept = response.headers.get("Connection", "").lower() != "close"
            if 200 <= response.status < 300:
                content_type = response.headers.get("Content-Type", "")
                return Reply(None, response.status, 0.0, content_type, body, kept_alive=kept)
            return Reply(
                f"Wrong response from the webhook: {response.status} {response.reason}",
                response.status,
                float(Parameters(dict(response.headers)).integer("Retry-After", low=0)),
                answer=body,
                kept_alive=kept,
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
        """410 and nothing else for 23 hours; an attempt without an answer says nothing."""
        now = self.world.clock.now()
        if reply.status == 0:
            return
        if reply.status != 410:
            self.webhook.gone_since = None
        elif self.webhook.gone_since is None:
            self.webhook.gone_since = now
        elif now - self.webhook.gone_since >= GONE_FOR_S:
            self.bot.webhook = Webhook()
            self.world.journal.record("webhook.removed", bot_id=self.bot.id, text="410 for 23 hours")
            self.world.webhooks_bell.ring()

    def _fault(self, update: Update) -> FaultRule | None:
        faults = self.world.faults
        if not faults.rules:
            return None
        target = Target(
            DELIVERY_KINDS, self.bot.id, update=update.kind, chat_id=update.chat_id, person_id=update.person_id
        )
        rule = faults.fire(target)
        if rule is not None:
            faults.note(self.world.journal, rule, target, update_id=update.id)
        return rule

    def _log(self, attempt: Attempt, reply: Reply, outcome: str, retry_at: float | None = None) -> None:
        update = attempt.update
        shown = (reply.body or reply.answer)[:ANSWER_BYTES_SHOWN]
        self.world.deliveries.keep(
            DeliveryRecord(
                seq=self.world.deliveries.seq + 1,
                time=self.world.clock.now(),
                bot_id=self.bot.id,
                update_id=update.id,
                kind=update.kind,
                chat_id=update.chat_id,
                via="webhook",
                url=self.webhook.url,
                attempt=update.attempts,
                outcome=outcome,
                status=reply.status,
                error=reply.error,
                latency_s=time.monotonic() - attempt.began_at,
                answer=shown.decode("utf-8", "replace"),
                fault=None if attempt.rule is None else attempt.rule.id,
                retry_at=retry_at,
            )
        )
        self.world.journal.bell.ring()

    def _note(self, kind: str, update: Update, text: str | None = None, *, retry_in_s: float | None = None) -> None:
        self.world.journal.record(
            kind,
            bot_id=self.bot.id,
            person_id=update.person_id,
            text=text,
            update_id=update.id,
            update=update.kind,
            retry_in_s=retry_in_s,
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where exactly a webhook's requests go."""

    url: str
    headers: dict[str, str]
    server_name: str | None
    ssl: ssl.SSLContext | bool

    @classmethod
    def of(cls, webhook: Webhook) -> Address:
        """The URL itself; or, with a fixed address, that address under the URL's name. A certificate given to
        setWebhook is the only one that is trusted."""
        context: ssl.SSLContext | bool = True
        if webhook.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(cadata=webhook.certificate.decode("ascii"))
            except (ssl.SSLError, ValueError):
                pass  # nothing is trusted then, and each attempt says so
        url = URL(webhook.url)
        if not webhook.ip_address or webhook.ip_address == url.host:
            return cls(webhook.url, {}, None, context)
        host = url.host or ""
        return cls(str(url.with_host(webhook.ip_address)), {"Host": url.host_port_subcomponent or host}, host, context)
