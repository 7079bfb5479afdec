"""Deliveries of one chat leave in order, within Telegram's limits, answers first, and none is lost."""

from __future__ import annotations

import asyncio
import json

import pytest

from posthouse.core.effects import Effects, Outgoing, Priority
from posthouse.core.leases import DeliveryLease, DeliverySettlement
from posthouse.ports.store import BotLimits, Filter, Store
from posthouse.testing.contracts.examples import (
    BOT,
    GROUP,
    LANE,
    UNLIMITED,
    claim_delivery,
    claim_one,
    said,
    say,
    send_all,
    sent,
    state,
    turn,
    unlimited,
    update,
    want,
    woken,
)
from posthouse.testing.contracts.maker import Lack, StoreMaker, need, reopened


def again(lease: DeliveryLease, delay_s: float = 50.0, **fields: object) -> DeliverySettlement:
    return DeliverySettlement(lease=lease, delay_s=delay_s, **fields)  # type: ignore[arg-type]


def dead(lease: DeliveryLease, reason: str = "blocked", error: str = "403 Forbidden") -> DeliverySettlement:
    return DeliverySettlement(lease=lease, reason=reason, error=error)


def slow(**limits: float) -> BotLimits:
    """No limits but these; rates this low cannot be earned back while a test runs."""
    fields = {name: getattr(UNLIMITED, name) for name in UNLIMITED.__struct_fields__}
    return BotLimits(**{**fields, **limits})


class OrderContract:
    @pytest.mark.req("S1-47", "C1-26")
    async def test_one_delivery_per_chat_is_on_its_way(self, store: Store) -> None:
        """The next delivery of a chat is claimed only when the one before has ended."""
        unlimited(store)
        await want(store, say("a"), say("b"), say("c", chat=LANE + 1))
        leases = await store.outbox.claim(16)
        assert sorted(said(leases)) == ["a", "c"]
        assert await store.outbox.claim(16) == []
        await store.outbox.settle([sent(lease) for lease in leases])
        assert said(await store.outbox.claim(16)) == ["b"]

    @pytest.mark.req("S1-47")
    async def test_a_chat_is_served_in_order(self, store: Store) -> None:
        """Deliveries of each chat leave in the order in which they were written."""
        unlimited(store)
        await want(store, *(say(f"{chat}-{i}", chat=chat) for i in range(6) for chat in (1, 2)))
        order = await send_all(store)
        assert [x for x in order if x.startswith("1-")] == [f"1-{i}" for i in range(6)]
        assert [x for x in order if x.startswith("2-")] == [f"2-{i}" for i in range(6)]

    async def test_a_delivery_comes_as_it_was_written(self, store: Store, store_maker: StoreMaker) -> None:
        """Every field of a delivery reaches the sender, after a crash too; the payload is the same JSON."""
        wanted = {
            "chat_id": GROUP,
            "text": "мир \x00 \U0001f469‍\U0001f680",
            "n": 2**53 + 1,
            "f": 1.5,
            "z": None,
        }
        await want(
            store,
            Outgoing(
                bot_id=BOT,
                chat=GROUP,
                method="sendMessage",
                payload=json.dumps(wanted).encode(),
                priority=Priority.NOTIFICATION,
                when_uncertain="park",
                handle="card:1",
                cause=77,
                trace="7:77",
            ),
        )
        successor = await reopened(store_maker, store)
        unlimited(successor)
        lease = await claim_delivery(successor)
        assert json.loads(lease.payload) == wanted
        assert (lease.bot_id, lease.chat, lease.method) == (BOT, GROUP, "sendMessage")
        assert (lease.priority, lease.when_uncertain, lease.handle) == (
            Priority.NOTIFICATION,
            "park",
            "card:1",
        )
        assert (lease.cause, lease.trace, lease.attempts, lease.unknown) == (77, "7:77", 1, False)
        assert lease.created_at > 0

    async def test_a_claim_takes_no_more_than_asked(self, store: Store) -> None:
        """`limit` bounds a claim, and later claims take the others, each once."""
        unlimited(store)
        await want(store, *(say(str(i), chat=i) for i in range(1, 21)))
        first = await store.outbox.claim(5)
        assert len(first) == 5
        claims = await asyncio.gather(*(store.outbox.claim(5) for _ in range(4)))
        texts = said(first) + [t for claim in claims for t in said(claim)]
        while more := await store.outbox.claim(5):
            texts += said(more)
        assert sorted(texts, key=int) == [str(i) for i in range(1, 21)]

    @pytest.mark.req("B-6")
    async def test_an_answer_overtakes_its_chat(self, store: Store) -> None:
        """An answer neither waits for the chat's delivery that is on its way nor behind those that wait."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        await claim_delivery(store)
        await want(store, say("answer", priority=Priority.ANSWER))
        assert said(await store.outbox.claim(16)) == ["answer"]

    @pytest.mark.req("B-6")
    async def test_an_answer_does_not_wait_for_a_blocked_head(self, store: Store) -> None:
        """An answer leaves while its chat backs off."""
        unlimited(store)
        await want(store, say("a"))
        await store.outbox.settle([again(await claim_delivery(store))])
        await want(store, say("answer", priority=Priority.ANSWER), say("b"))
        assert await send_all(store) == ["answer"]

    @pytest.mark.req("B-6")
    async def test_an_answer_does_not_wait_for_the_pace(self, store: Store) -> None:
        """An answer leaves while its chat rests, and the chat's own rest is not shortened by it."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        await store.outbox.settle([sent(await claim_delivery(store), pace_s=50)])
        await want(store, say("answer", priority=Priority.ANSWER))
        assert await send_all(store) == ["answer"]

    async def test_deliveries_are_posted_outside_a_turn(self, store: Store, store_maker: StoreMaker) -> None:
        """`post` writes deliveries at once, in order, behind those that wait; they survive a crash."""
        unlimited(store)
        await store.outbox.post([])
        await want(store, say("a"))
        await store.outbox.post([say("b"), say("c", handle="card"), say("other", chat=5)])
        await want(store, say("d"))
        successor = await reopened(store_maker, store)
        unlimited(successor)
        order = await send_all(successor)
        assert [text for text in order if text != "other"] == ["a", "b", "c", "d"]
        assert len(order) == 5

    async def test_a_posted_delivery_wakes_the_sender(self, store: Store) -> None:
        """`ready` returns once a delivery has been posted."""
        unlimited(store)
        assert await store.outbox.claim(1) == []
        waiting = asyncio.ensure_future(store.outbox.ready())
        await asyncio.sleep(0)
        await store.outbox.post([say("a")])
        await asyncio.wait_for(waiting, 30)
        assert said(await store.outbox.claim(8)) == ["a"]

    async def test_a_waiting_sender_is_woken(self, store: Store) -> None:
        """`ready` returns once a delivery has been written."""
        unlimited(store)
        assert await store.outbox.claim(1) == []
        waiting = asyncio.ensure_future(store.outbox.ready())
        await asyncio.sleep(0)
        await want(store, say("a"))
        await asyncio.wait_for(waiting, 30)
        assert said(await store.outbox.claim(8)) == ["a"]


class BudgetContract:
    @pytest.mark.req("S3-46")
    async def test_a_bot_sends_no_more_than_its_budget(self, store: Store, store_maker: StoreMaker) -> None:
        """A burst leaves at once; then the bot's deliveries leave at its rate."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=3))
        await want(store, *(say(str(i), chat=i) for i in range(1, 8)))
        assert len(await send_all(store)) == 3
        await store_maker.elapse(101)
        assert len(await send_all(store)) == 1
        await store_maker.elapse(10_000)
        assert len(await send_all(store)) == 3

    @pytest.mark.req("E2-6")
    async def test_under_a_budget_the_urgent_go_first(self, store: Store, store_maker: StoreMaker) -> None:
        """When a bot's budget is short, replies leave before notifications, and those before broadcasts."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=2))
        levels = [Priority.BROADCAST, Priority.NOTIFICATION, Priority.REPLY]
        await want(store, *(say(f"{p.name}", chat=10 * p + i, priority=p) for p in levels for i in range(2)))
        order = await send_all(store)
        while len(order) < 6:
            await store_maker.elapse(101)
            more = await send_all(store)
            assert len(more) == 1
            order += more
        assert order == ["REPLY"] * 2 + ["NOTIFICATION"] * 2 + ["BROADCAST"] * 2

    async def test_paid_broadcasts_have_a_budget_beside_the_others(self, store: Store) -> None:
        """A bot that pays for broadcasts sends them although its own budget is spent, and replies do not profit."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=1, broadcast_per_s=50))
        await want(store, *(say(f"reply {i}", chat=i) for i in range(2)))
        await want(store, *(say(f"paid {i}", chat=10 + i, priority=Priority.BROADCAST) for i in range(3)))
        assert sorted(await send_all(store)) == ["paid 0", "paid 1", "paid 2", "reply 0"]

    async def test_a_waiting_answer_goes_before_everything(self, store: Store) -> None:
        """Of all that waits, answers are claimed first."""
        unlimited(store)
        levels = [Priority.BROADCAST, Priority.NOTIFICATION, Priority.REPLY, Priority.ANSWER]
        await want(store, *(say(p.name, chat=10 + p, priority=p) for p in levels))
        order = [text for _ in levels for text in said(await store.outbox.claim(1))]
        assert order == ["ANSWER", "REPLY", "NOTIFICATION", "BROADCAST"]

    async def test_bots_have_budgets_of_their_own(self, store: Store) -> None:
        """A bot whose budget is spent holds up no other bot."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=1))
        store.set_limits(BOT + 1, UNLIMITED)
        await want(store, *(say(f"mine {i}", chat=i) for i in (1, 2)))
        await want(store, *(say(f"other {i}", chat=i, bot_id=BOT + 1) for i in (1, 2)))
        texts = await send_all(store)
        assert sorted(texts)[1:] == ["other 1", "other 2"]
        assert len(texts) == 3

    @pytest.mark.req("S1-47", "S3-46", "B-14")
    @pytest.mark.parametrize("chat", [LANE, GROUP])
    async def test_a_chat_rests_as_long_as_the_sender_says(
        self, store: Store, store_maker: StoreMaker, chat: int
    ) -> None:
        """After a delivery its chat rests for `pace_s`, whatever the limits allow; other chats go on."""
        store.set_limits(BOT, BotLimits())
        await want(store, say("a", chat=chat), say("b", chat=chat), say("other", chat=5))
        leases = {said([lease])[0]: lease for lease in await store.outbox.claim(16)}
        await store.outbox.settle([sent(leases["a"], pace_s=50), sent(leases["other"])])
        await want(store, say("more", chat=5))
        assert await send_all(store) == ["more"]
        await store_maker.elapse(40)
        assert await send_all(store) == []
        await store_maker.elapse(11)
        assert await send_all(store) == ["b"]

    async def test_a_waiting_sender_is_woken_when_a_rest_ends(self, store: Store, store_maker: StoreMaker) -> None:
        """Whoever waits in `ready` is woken when the chat has rested, or the bot's budget is back."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=2))
        await want(store, say("a"), say("b"), say("c"))
        [lease] = await store.outbox.claim(8)
        for text, pace_s, rest_s in (("b", 50, 51), ("c", 0, 101)):
            await store.outbox.settle([sent(lease, pace_s=pace_s)])
            waiting = asyncio.ensure_future(woken(store.outbox.ready, lambda: store.outbox.claim(8)))
            await asyncio.sleep(0)
            await store_maker.elapse(rest_s)
            [lease] = await waiting
            assert said([lease]) == [text]

    async def test_a_rest_outlives_an_idle_spell(self, store: Store, store_maker: StoreMaker) -> None:
        """A chat rests although nothing waited when its rest began."""
        unlimited(store)
        await want(store, say("a"))
        await store.outbox.settle([sent(await claim_delivery(store), pace_s=50)])
        await want(store, say("b"))
        assert await send_all(store) == []
        await store_maker.elapse(51)
        assert await send_all(store) == ["b"]

    async def test_a_rest_is_not_a_debt(self, store: Store, store_maker: StoreMaker) -> None:
        """Rests do not add up: each counts from the settlement that asked for it."""
        unlimited(store)
        await want(store, *(say(str(i)) for i in range(4)))
        for i in range(3):
            lease = await claim_delivery(store)
            assert said([lease]) == [str(i)]
            await store.outbox.settle([sent(lease, pace_s=50)])
            await store_maker.elapse(51)
        assert await send_all(store) == ["3"]

    async def test_no_limits_means_no_waiting(self, store: Store) -> None:
        """A limit of 0 is none: hundreds of deliveries leave at once."""
        unlimited(store)
        await want(store, *(say(f"{chat}/{i}", chat=chat) for chat in (*range(1, 40), GROUP) for i in range(5)))
        assert len(await send_all(store)) == 200

    async def test_limits_may_change(self, store: Store) -> None:
        """New limits hold from the next claim on."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=1))
        await want(store, *(say(str(i)) for i in range(4)))
        assert await send_all(store) == ["0"]
        store.set_limits(BOT, UNLIMITED)
        assert await send_all(store) == ["1", "2", "3"]

    @pytest.mark.req("B-18")
    async def test_direct_calls_share_the_bots_budget(self, store: Store, store_maker: StoreMaker) -> None:
        """`admit` spends from the budget that deliveries have, or says how long to wait."""
        store.set_limits(BOT, slow(bot_per_s=0.01, bot_burst=2))
        await want(store, say("a", chat=5), say("b", chat=6))
        assert await store.outbox.admit(BOT, 1) == 0
        assert len(await send_all(store)) == 1
        wait_s = await store.outbox.admit(BOT, 2)
        assert 50 < wait_s <= 100
        await store_maker.elapse(wait_s + 0.1)
        assert await store.outbox.admit(BOT, 2) == 0
        assert await store.outbox.admit(BOT, None) > 0

    async def test_direct_calls_share_the_chats_budget(self, store: Store) -> None:
        """`admit` for a chat spends that chat's budget and no other's; without a chat only the bot's."""
        store.set_limits(BOT, slow(chat_per_s=0.01, chat_burst=1, group_per_min=0.6, group_burst=1))
        for chat in (LANE, GROUP):
            assert await store.outbox.admit(BOT, chat) == 0
            assert await store.outbox.admit(BOT, chat) > 0
        assert await store.outbox.admit(BOT, None) == 0
        assert await store.outbox.admit(BOT, LANE + 1) == 0

    async def test_a_direct_call_holds_up_the_chats_deliveries(self, store: Store, store_maker: StoreMaker) -> None:
        """A chat whose budget a direct call has spent gets no delivery until it is earned back."""
        store.set_limits(BOT, slow(chat_per_s=0.01, chat_burst=1))
        assert await store.outbox.admit(BOT, LANE) == 0
        await want(store, say("a"), say("other", chat=5))
        assert await send_all(store) == ["other"]
        await store_maker.elapse(101)
        assert await send_all(store) == ["a"]

    async def test_a_delivery_holds_up_direct_calls_to_its_chat(self, store: Store, store_maker: StoreMaker) -> None:
        """`admit` for a chat that rests says how long."""
        unlimited(store)
        await want(store, say("a"))
        await store.outbox.settle([sent(await claim_delivery(store), pace_s=50)])
        assert 40 < await store.outbox.admit(BOT, LANE) <= 50
        await store_maker.elapse(51)
        assert await store.outbox.admit(BOT, LANE) == 0

    async def test_direct_calls_without_limits_are_admitted(self, store: Store) -> None:
        """Without limits `admit` never makes anybody wait."""
        unlimited(store)
        assert [await store.outbox.admit(BOT, LANE) for _ in range(20)] == [0] * 20

    async def test_direct_calls_keep_a_pause(self, store: Store) -> None:
        """`admit` waits for a paused bot and for a paused chat."""
        unlimited(store, BOT + 1)
        await store.outbox.pause(BOT, LANE, 50)
        await store.outbox.pause(BOT + 1, None, 50)
        assert 40 < await store.outbox.admit(BOT, LANE) <= 50
        assert await store.outbox.admit(BOT, LANE + 1) == 0
        assert 40 < await store.outbox.admit(BOT + 1, LANE) <= 50


class FloodContract:
    @pytest.mark.req("E1-12", "C1-19", "S1-47")
    async def test_a_chats_429_is_a_deadline_and_no_attempt(self, store: Store, store_maker: StoreMaker) -> None:
        """A delivery that met a 429 waits until its deadline, in its place, and the try is not counted."""
        unlimited(store)
        await want(store, say("a"), say("b"), say("other", chat=LANE + 1))
        leases = {said([lease])[0]: lease for lease in await store.outbox.claim(16)}
        await store.outbox.settle([again(leases["a"], counted=False), sent(leases["other"])])
        await want(store, say("more", chat=LANE + 1))
        assert await send_all(store) == ["more"]
        await store_maker.elapse(40)
        assert await store.outbox.claim(16) == []
        await store_maker.elapse(11)
        lease = await claim_delivery(store)
        assert (said([lease]), lease.attempts, lease.unknown) == (["a"], 1, False)
        await store.outbox.settle([sent(lease)])
        assert await send_all(store) == ["b"]

    @pytest.mark.req("E1-12", "S3-46")
    async def test_a_paused_chat_is_closed_until_its_deadline(self, store: Store, store_maker: StoreMaker) -> None:
        """`pause` closes one chat; the others go on."""
        unlimited(store)
        await store.outbox.pause(BOT, LANE, 50)
        await want(store, say("a"), say("other", chat=LANE + 1))
        assert await send_all(store) == ["other"]
        await store_maker.elapse(51)
        assert await send_all(store) == ["a"]

    @pytest.mark.req("S3-46")
    async def test_a_paused_bot_is_closed_until_its_deadline(self, store: Store, store_maker: StoreMaker) -> None:
        """`pause` without a chat closes the bot; other bots go on."""
        unlimited(store, BOT + 1)
        await want(store, say("a"), say("other", bot_id=BOT + 1))
        await store.outbox.pause(BOT, None, 50)
        assert await send_all(store) == ["other"]
        await store_maker.elapse(40)
        assert await send_all(store) == []
        await store_maker.elapse(11)
        assert await send_all(store) == ["a"]

    async def test_a_pause_is_never_shortened(self, store: Store, store_maker: StoreMaker) -> None:
        """A shorter `retry_after` that comes later does not open what a longer one closed."""
        unlimited(store)
        await want(store, say("a"))
        for chat in (None, LANE):
            await store.outbox.pause(BOT, chat, 50)
            await store.outbox.pause(BOT, chat, 5)
            await store_maker.elapse(30)
            assert await send_all(store) == []
            await store_maker.elapse(21)
        assert await send_all(store) == ["a"]


class EndingContract:
    @pytest.mark.req("C1-19")
    async def test_a_failed_delivery_tries_again_in_its_place(self, store: Store, store_maker: StoreMaker) -> None:
        """A delivery that failed for now waits, counts, and keeps its place before the others of its chat."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        for attempts in (1, 2, 3):
            lease = await claim_delivery(store)
            assert (said([lease]), lease.attempts, lease.unknown) == (["a"], attempts, False)
            assert await store.outbox.settle([again(lease)]) == [True]
            assert await store.outbox.claim(16) == []
            await store_maker.elapse(51)
        assert await send_all(store) == ["a", "b"]

    async def test_an_uncertain_delivery_says_so(self, store: Store, store_maker: StoreMaker) -> None:
        """A delivery whose outcome is not known is claimed again as unknown."""
        unlimited(store)
        await want(store, say("a"))
        await store.outbox.settle([again(await claim_delivery(store), unknown=True)])
        await store_maker.elapse(51)
        lease = await claim_delivery(store)
        assert (lease.attempts, lease.unknown) == (2, True)

    @pytest.mark.parametrize("counted", [False, True])
    async def test_uncertainty_stays(self, store: Store, store_maker: StoreMaker, counted: bool) -> None:
        """What may have arrived once may have arrived, however the next try ends: in a 429 or a plain failure."""
        unlimited(store)
        await want(store, say("a"))
        await store.outbox.settle([again(await claim_delivery(store), unknown=True)])
        await store_maker.elapse(51)
        await store.outbox.settle([again(await claim_delivery(store), counted=counted)])
        await store_maker.elapse(51)
        lease = await claim_delivery(store)
        assert (lease.attempts, lease.unknown) == (2 + counted, True)

    async def test_a_crash_while_sending_leaves_it_unknown(self, store: Store, store_maker: StoreMaker) -> None:
        """A delivery that was on its way when the process died is claimed again, counted, as unknown."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        await claim_delivery(store)
        for attempts in (2, 3):
            store = await reopened(store_maker, store)
            unlimited(store)
            lease = await claim_delivery(store)
            assert (said([lease]), lease.attempts, lease.unknown) == (["a"], attempts, True)

    async def test_an_unclaimed_delivery_is_not_unknown_after_a_crash(
        self, store: Store, store_maker: StoreMaker
    ) -> None:
        """A delivery that nobody had claimed is a first try after a crash."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        await store.outbox.settle([sent(await claim_delivery(store))])
        successor = await reopened(store_maker, store)
        unlimited(successor)
        lease = await claim_delivery(successor)
        assert (said([lease]), lease.attempts, lease.unknown) == (["b"], 1, False)

    async def test_what_was_sent_is_not_sent_again(self, store: Store, store_maker: StoreMaker) -> None:
        """A settled delivery is gone, also after a crash."""
        unlimited(store)
        await want(store, say("a"))
        assert await send_all(store) == ["a"]
        successor = await reopened(store_maker, store)
        unlimited(successor)
        assert await successor.outbox.claim(16) == []

    async def test_an_overdue_delivery_is_claimed_again_as_unknown(self, store: Store, store_maker: StoreMaker) -> None:
        """What a silent sender holds is claimed by the next, as unknown, and the silent one is fenced."""
        need(store_maker, Lack.LEASE_EXPIRY)
        unlimited(store)
        await want(store, say("a", handle="card"))
        silent = await claim_delivery(store)
        await store_maker.elapse(store_maker.lease_ttl_s + 1)
        await store.upkeep.reap()
        lease = await claim_delivery(store)
        assert (lease.attempts, lease.unknown) == (2, True)
        assert await store.outbox.settle([sent(silent, 5)]) == [False]
        assert await store.outbox.message_id(BOT, LANE, "card") is None
        assert await store.outbox.settle([sent(lease, 6)]) == [True]

    @pytest.mark.req("S3-47", "C1-19")
    async def test_a_dead_delivery_becomes_a_dead_letter(self, store: Store) -> None:
        """A delivery that is given up is kept with its reason and error, and its chat goes on."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        assert await store.outbox.settle([dead(await claim_delivery(store))]) == [True]
        [row] = await store.desk.list("dead", Filter())
        assert (row.kind, row.bot_id, row.lane, row.what) == ("delivery", BOT, LANE, "sendMessage")
        assert (row.reason, row.error, row.attempts) == ("blocked", "403 Forbidden", 1)
        assert await send_all(store) == ["b"]

    @pytest.mark.req("E2-5")
    async def test_a_replayed_delivery_goes_to_the_back(self, store: Store) -> None:
        """A dead delivery that is replayed leaves after what waits, whole, as a first try."""
        unlimited(store)
        await want(store, say("a", handle="card", cause=7), say("b"))
        await store.outbox.settle([dead(await claim_delivery(store))])
        [row] = await store.desk.list("dead", Filter())
        assert await store.desk.replay([row.id]) == [row.id]
        assert await store.desk.replay([row.id]) == []
        second = await claim_delivery(store)
        assert said([second]) == ["b"]
        await store.outbox.settle([sent(second)])
        lease = await claim_delivery(store)
        assert (said([lease]), lease.attempts, lease.unknown) == (["a"], 1, False)
        assert (lease.handle, lease.cause, lease.when_uncertain) == ("card", 7, "resend")

    async def test_a_dropped_delivery_is_forgotten(self, store: Store) -> None:
        """A settlement that is neither sent, again nor dead drops the delivery without a dead letter."""
        unlimited(store)
        await want(store, say("a"), say("b"))
        assert await store.outbox.settle([DeliverySettlement(lease=await claim_delivery(store))]) == [True]
        assert await store.desk.list("dead", Filter()) == []
        assert await send_all(store) == ["b"]

    async def test_a_handle_names_the_message(self, store: Store, store_maker: StoreMaker) -> None:
        """The message id of a sent delivery is remembered under its handle, by chat; the newest counts."""
        unlimited(store, BOT + 1)
        assert await store.outbox.message_id(BOT, LANE, "card") is None
        await want(store, say("a", handle="card"), say("b", handle="card"), say("c"))
        await store.outbox.settle([sent(await claim_delivery(store), 11)])
        assert await store.outbox.message_id(BOT, LANE, "card") == 11
        await store.outbox.settle([sent(await claim_delivery(store), 12)])
        successor = await reopened(store_maker, store)
        assert await successor.outbox.message_id(BOT, LANE, "card") == 12
        assert await successor.outbox.message_id(BOT, LANE + 1, "card") is None
        assert await successor.outbox.message_id(BOT + 1, LANE, "card") is None

    async def test_a_delivery_settles_once(self, store: Store) -> None:
        """The second settlement of one delivery is fenced and changes nothing."""
        unlimited(store)
        await want(store, say("a", handle="card"))
        lease = await claim_delivery(store)
        assert await store.outbox.settle([sent(lease, 11)]) == [True]
        assert await store.outbox.settle([sent(lease, 12), dead(lease), again(lease)]) == [
            False,
            False,
            False,
        ]
        assert await store.outbox.message_id(BOT, LANE, "card") == 11
        assert await store.desk.list("dead", Filter()) == []
        assert await store.outbox.claim(16) == []

    async def test_a_sender_that_thaws_is_fenced(self, store: Store, store_maker: StoreMaker) -> None:
        """A delivery lease from before a crash settles nothing afterwards; good ones in the same call do."""
        unlimited(store)
        await want(store, say("a"), say("b", chat=LANE + 1))
        lost = await store.outbox.claim(16)
        successor = await reopened(store_maker, store)
        unlimited(successor)
        held = await successor.outbox.claim(16)
        assert await successor.outbox.settle([sent(lost[0]), sent(held[0]), sent(lost[1])]) == [
            False,
            True,
            False,
        ]
        assert await successor.outbox.settle([sent(held[1])]) == [True]

    async def test_nothing_to_settle_is_harmless(self, store: Store) -> None:
        """An empty call is answered with an empty list."""
        assert await store.outbox.settle([]) == []


class MigrationContract:
    async def test_a_migrated_chat_takes_everything_along(self, store: Store) -> None:
        """When Telegram names a new chat, all that waits for the old one leaves there, in order."""
        unlimited(store)
        await want(store, say("a", chat=-77), say("b", chat=-77), say("c", chat=-77))
        lease = await claim_delivery(store)
        moved = again(lease, 0.0, counted=False, migrated_to=GROUP)
        assert await store.outbox.settle([moved]) == [True]
        texts: list[str] = []
        while leases := await store.outbox.claim(16):
            assert {lease.chat for lease in leases} == {GROUP}
            texts += said(leases)
            await store.outbox.settle([sent(lease) for lease in leases])
        assert texts == ["a", "b", "c"]

    async def test_a_migrated_chat_remembers_at_once(self, store: Store) -> None:
        """What the old chat remembered is the new chat's, also when both were read a moment before."""
        unlimited(store)
        await turn(store, update(1, lane=GROUP))
        await turn(store, update(2, lane=-77), effects=Effects(states=[state("a", b"1", lane=-77)]))
        await want(store, say("a", chat=-77))
        await store.outbox.settle([again(await claim_delivery(store), 0.0, counted=False, migrated_to=GROUP)])
        await store.inbox.ingest([update(3, lane=GROUP)])
        assert (await claim_one(store)).states == {"a": b"1"}
        assert await store.turns.read_states(BOT, -77, ["a"]) == {}

    async def test_a_migrated_chat_joins_what_waits_there(self, store: Store) -> None:
        """Deliveries that wait for the new chat already are neither lost nor sent at the same time."""
        unlimited(store)
        await want(store, say("a", chat=-77), say("b", chat=-77), say("x", chat=GROUP), say("y", chat=GROUP))
        leases = {said([lease])[0]: lease for lease in await store.outbox.claim(16)}
        await store.outbox.settle([again(leases["a"], 0.0, counted=False, migrated_to=GROUP)])
        assert await store.outbox.claim(16) == []
        assert await store.outbox.settle([sent(leases["x"])]) == [True]
        order: list[str] = []
        while found := await store.outbox.claim(16):
            assert len(found) == 1
            order += said(found)
            await store.outbox.settle([sent(found[0])])
        assert sorted(order) == ["a", "b", "y"]
        assert order.index("a") < order.index("b")

    async def test_a_migration_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """After a crash what was moved is still for the new chat."""
        unlimited(store)
        await want(store, say("a", chat=-77), say("b", chat=-77))
        await store.outbox.settle([again(await claim_delivery(store), 0.0, counted=False, migrated_to=GROUP)])
        successor = await reopened(store_maker, store)
        unlimited(successor)
        leases = await successor.outbox.claim(16)
        assert [(lease.chat, said([lease])) for lease in leases] == [(GROUP, ["a"])]


class OutboxContract(OrderContract, BudgetContract, FloodContract, EndingContract, MigrationContract):
    """All that is promised of deliveries."""
