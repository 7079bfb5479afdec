"""Sessions change by compare-and-set, with the commit of a turn, or not at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, text

from posthouse.core.effects import Effects
from posthouse.core.leases import Lease, Settlement
from posthouse.core.sessions import JournalWrite, Owner, SessionChanges, SessionEvent, SessionRecord, SessionWrite
from posthouse.ports.store import FormatShare, SessionFilter, Store
from posthouse.testing.contracts.examples import BOT, GROUP, LANE, claim_one, ids, say, state, unlimited, update
from posthouse.testing.contracts.maker import StoreMaker, reopened

ANN, BOB = 501, 502


def session(id: str = "aaaaaaaaaa", **fields: Any) -> SessionRecord:
    """An active session of Ann's in the suite's lane."""
    usual: dict[str, Any] = {
        "bot_id": BOT,
        "lane": LANE,
        "env": "prod",
        "flow_kind": "pack",
        "owner": Owner(ANN, LANE),
        "state": "wait_pack_carousel",
        "created_at": 1000.0,
        "updated_at": 1000.0,
    }
    return SessionRecord(id, **{**usual, **fields})


def made(record: SessionRecord) -> SessionWrite:
    return SessionWrite(record)


def moved_on(record: SessionRecord, to: str, **fields: Any) -> SessionWrite:
    """The next row of a session: another state, one revision more."""
    new = msgspec.structs.replace(record, state=to, rev=record.rev + 1, **fields)
    return SessionWrite(new, record.state, record.rev)


def ending(lease: Lease, *writes: SessionWrite, **more: Any) -> Settlement:
    """The end of a lease that moves sessions."""
    changes = SessionChanges(list(writes), more.pop("events", []), more.pop("journal", []))
    return Settlement(lease, ids(lease), Effects(sessions=changes, **more))


async def turn_with(store: Store, update_id: int, *writes: SessionWrite, lane: int = LANE, **more: Any) -> bool:
    """A whole turn that moves sessions; whether it was written."""
    store.keep_sessions(BOT)
    await store.inbox.ingest([update(update_id, lane=lane)])
    lease = await claim_one(store)
    return (await store.turns.settle([ending(lease, *writes, **more)]))[0]


class SessionsContract:
    async def test_a_session_comes_back_whole(self, store: Store) -> None:
        """Every field of a session is stored and read back."""
        record = session(
            data=b'{"style":"comic"}',
            ui_chat_id=LANE,
            ui_message_id=77,
            ui_handle="s:aaaaaaaaaa",
            version="2",
            language="ru",
            expires_at=2000.5,
            owner=Owner(ANN, LANE, 3),
            rev=4,
        )
        assert await turn_with(store, 1, made(record))
        assert await store.sessions.get(record.id) == record
        assert await store.sessions.get("bbbbbbbbbb") is None

    async def test_active_sessions_come_with_the_lease(self, store: Store) -> None:
        """A lease brings the lane's active sessions along, as the last commit left them, and nobody else's."""
        first, other = session(), session("cccccccccc", lane=GROUP, owner=Owner(ANN, GROUP))
        ended = session("eeeeeeeeee", is_active=False)
        assert await turn_with(store, 1, made(first), made(other), made(ended))
        moved = moved_on(first, "wait_pack_photo")
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        assert lease.sessions_complete
        assert lease.sessions == {first.id: first}
        assert await store.turns.settle([ending(lease, moved)]) == [True]
        await store.inbox.ingest([update(3)])
        assert (await claim_one(store)).sessions == {first.id: moved.record}

    async def test_sessions_survive_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """What was committed comes with the leases of the next process."""
        assert await turn_with(store, 1, made(session()))
        successor = await reopened(store_maker, store)
        successor.keep_sessions(BOT)
        await successor.inbox.ingest([update(2)])
        assert (await claim_one(successor)).sessions == {"aaaaaaaaaa": session()}

    async def test_a_lane_with_many_sessions_is_asked_for_those_of_one_person(self, store: Store) -> None:
        """A busy group does not make its leases heavy: they say that there are more, and one person's are asked for."""
        crowd = [session(f"{n:010d}", owner=Owner(n, GROUP), lane=GROUP, updated_at=1000.0 + n) for n in range(1, 60)]
        assert await turn_with(store, 1, *map(made, crowd), lane=GROUP)
        await store.inbox.ingest([update(2, lane=GROUP)])
        lease = await claim_one(store)
        assert lease.sessions_complete is False or len(lease.sessions) == 59
        assert await store.sessions.owned(BOT, GROUP, [7]) == [crowd[6]]
        assert await store.sessions.owned(BOT, GROUP, [7, 9]) == [crowd[8], crowd[6]]
        assert await store.sessions.owned(BOT, LANE, [7]) == []

    @pytest.mark.req("S0-24", "S0-25", "S0-26", "B-2")
    @pytest.mark.parametrize(
        "wrong",
        [
            {"from_state": "processing_pack", "from_rev": 1},
            {"from_state": "wait_pack_carousel", "from_rev": 2},
            {"from_state": "", "from_rev": 0},
        ],
        ids=["another state", "another rev", "it exists already"],
    )
    async def test_a_session_that_moved_refuses_the_whole_turn(
        self, store: Store, store_maker: StoreMaker, wrong: dict[str, Any]
    ) -> None:
        """State and rev must both be as the turn saw them; else nothing of the turn is written, and it runs again."""
        unlimited(store)
        first = session()
        assert await turn_with(store, 1, made(first))
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        bad = SessionWrite(msgspec.structs.replace(first, state="x", rev=9), **wrong)
        more = {"deliveries": [say("never")], "states": [state("k", b"1")]}
        assert await store.turns.settle([ending(lease, bad, **more)]) == [False]
        await store_maker.elapse(1)
        again = await claim_one(store)
        assert ids(again) == [2]
        assert again.attempts == 2
        assert [(kept.state, kept.rev) for kept in again.sessions.values()] == [(first.state, first.rev)]
        assert await store.turns.read_states(BOT, LANE, ["k"]) == {}
        assert await store.outbox.claim(4) == []

    async def test_a_session_that_is_gone_refuses_the_turn(self, store: Store) -> None:
        """A move of a session that nobody knows is refused: there is nothing to compare with."""
        assert not await turn_with(store, 1, moved_on(session(), "wait_pack_photo"))
        assert await store.sessions.get("aaaaaaaaaa") is None

    async def test_a_refused_turn_takes_no_neighbour_along(self, store: Store) -> None:
        """In one batch the others are written: the refused one alone runs again."""
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(n, lane=n) for n in (1, 2, 3)])
        leases = sorted(await store.turns.claim(8, 8), key=lambda lease: lease.lane)
        records = [session(f"{n:010d}", lane=n, owner=Owner(n, n)) for n in (1, 2, 3)]
        bad = moved_on(records[1], "wait_pack_photo")
        verdicts = await store.turns.settle(
            [ending(leases[0], made(records[0])), ending(leases[1], bad), ending(leases[2], made(records[2]))]
        )
        assert verdicts == [True, False, True]
        assert {record.id for record in await store.sessions.find(SessionFilter(bot_id=BOT))} == {
            records[0].id,
            records[2].id,
        }

    async def test_of_two_turns_that_move_one_session_one_is_written(self, store: Store) -> None:
        """A session that two lanes can reach (a person's own in all chats) moves once per revision."""
        store.keep_sessions(BOT)
        first = session(owner=Owner(ANN))
        assert await turn_with(store, 1, made(first))
        await store.inbox.ingest([update(2, lane=LANE), update(3, lane=GROUP)])
        leases = await store.turns.claim(8, 8)
        settlements = [ending(lease, moved_on(first, f"state_{place}")) for place, lease in enumerate(leases)]
        assert await store.turns.settle(settlements) == [True, False]
        found = await store.sessions.get(first.id)
        assert found is not None
        assert (found.state, found.rev) == ("state_0", 2)

    async def test_moves_of_one_commit_follow_each_other(self, store: Store) -> None:
        """Turns that share a commit see what the ones before them did, and so does the comparison."""
        first = session()
        second = moved_on(first, "wait_pack_photo")
        third = moved_on(second.record, "wait_pack_preview_payment")
        assert await turn_with(store, 1, made(first), second, third)
        assert await store.sessions.get(first.id) == third.record

    async def test_a_session_moves_with_the_authors_rows_or_not_at_all(
        self, store: Store, store_maker: StoreMaker
    ) -> None:
        """In a turn's own transaction a session that had moved undoes the author's rows too, and the lane goes on."""

        def spend(connection: Connection) -> None:
            connection.execute(text("CREATE TABLE IF NOT EXISTS spent (n INTEGER)"))
            connection.execute(text("INSERT INTO spent (n) VALUES (1)"))

        def spent(connection: Connection) -> int:
            connection.execute(text("CREATE TABLE IF NOT EXISTS spent (n INTEGER)"))
            return int(connection.execute(text("SELECT count(*) FROM spent")).scalar_one())

        first = session()
        assert await turn_with(store, 1, made(first))
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=5)
        await transaction.run(spend)
        stale = SessionWrite(msgspec.structs.replace(first, state="x", rev=9), first.state, 8)
        assert not await transaction.commit(ending(lease, stale))
        await store_maker.elapse(1)
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=5)
        assert await transaction.run(spent) == 0
        await transaction.run(spend)
        assert await transaction.commit(ending(lease, moved_on(first, "generating_pack_preview")))
        found = await store.sessions.get(first.id)
        assert found is not None
        assert found.state == "generating_pack_preview"

    async def test_a_turn_without_its_lease_moves_nothing(self, store: Store, store_maker: StoreMaker) -> None:
        """The fence covers sessions: a turn whose lease was lost writes none."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        successor = await reopened(store_maker, store)
        assert await successor.turns.settle([ending(lease, made(session()))]) == [False]
        assert await successor.sessions.get("aaaaaaaaaa") is None

    async def test_a_lost_lease_takes_no_neighbour_along(self, store: Store) -> None:
        """In one batch the others are written, their sessions too; of the lost one nothing is."""
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(n, lane=n) for n in (1, 2, 3)])
        leases = sorted(await store.turns.claim(8, 8), key=lambda lease: lease.lane)
        leases[1] = msgspec.structs.replace(leases[1], token=leases[1].token + 1_000)
        records = [session(f"{n:010d}", lane=n, owner=Owner(n, n)) for n in (1, 2, 3)]
        settlements = [ending(lease, made(record)) for lease, record in zip(leases, records, strict=True)]
        assert await store.turns.settle(settlements) == [True, False, True]
        found = await store.sessions.find(SessionFilter(bot_id=BOT))
        assert {record.id for record in found} == {records[0].id, records[2].id}

    async def test_history_is_kept_in_order(self, store: Store) -> None:
        """Transitions and rejects are listed as they came, with reason, detail and format."""
        events = [
            SessionEvent("aaaaaaaaaa", BOT, "pack", "pack.try", "a", "b", 2, format="rev", trace="1:1", at=1.5),
            SessionEvent(
                "aaaaaaaaaa", BOT, "pack", "pack.pay", "b", None, 2, "stale_rev", "wrong_step", "id", "1:2", 2.5
            ),
        ]
        assert await turn_with(store, 1, made(session()), events=events[:1])
        assert await turn_with(store, 2, events=events[1:])
        assert await store.sessions.history("aaaaaaaaaa") == events
        assert await store.sessions.history("aaaaaaaaaa", limit=1) == events[1:]

    @pytest.mark.req("S0-47", "S0-48")
    async def test_presses_are_counted_by_their_format(self, store: Store, store_maker: StoreMaker) -> None:
        """How many buttons of each format were pressed lately is known; what was no press does not count."""
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        now = lease.entries[0].received_at
        press = SessionEvent("aaaaaaaaaa", BOT, "pack", "pack.try", "a", "b", 2, at=now)
        events = [
            msgspec.structs.replace(press, format="rev"),
            msgspec.structs.replace(press, format="bare", session_id=""),
            msgspec.structs.replace(press, format="rev"),
            msgspec.structs.replace(press, format=""),
            msgspec.structs.replace(press, format="rev", at=now - 7200),
        ]
        assert await store.turns.settle([ending(lease, events=events)]) == [True]
        assert await store.sessions.formats(since_s=3600) == [
            FormatShare("pack", "pack.try", "bare", 1),
            FormatShare("pack", "pack.try", "rev", 2),
        ]

    async def test_a_journal_is_read_by_ordinal_and_goes_with_its_session(self, store: Store) -> None:
        """Entries come back in order, whichever turns wrote them; the end forgets them."""
        first = session(flow_kind="workout.new", state="waiting", version="1")
        entries = [JournalWrite(first.id, n, b'{"n":%d}' % n) for n in (0, 1)]
        assert await turn_with(store, 1, made(first), journal=entries)
        second = moved_on(first, "waiting")
        assert await turn_with(store, 2, second, journal=[JournalWrite(first.id, 2, b"2")])
        assert await store.sessions.journal(first.id) == [b'{"n":0}', b'{"n":1}', b"2"]
        over = moved_on(second.record, "done", is_active=False)
        assert await turn_with(store, 3, over, journal=[JournalWrite(first.id, 3, b"3")])
        assert await store.sessions.journal(first.id) == []

    async def test_operators_find_sessions(self, store: Store) -> None:
        """Lists narrow by bot, env, person, flow and state; ended and expired ones are left out unless asked for."""
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        now = lease.entries[0].received_at
        records = [
            session("1111111111", updated_at=now, expires_at=now + 60),
            session("2222222222", updated_at=now + 1, env="dev", owner=Owner(BOB, LANE)),
            session("3333333333", updated_at=now + 2, flow_kind="single", state="wait_photo"),
            session("4444444444", updated_at=now + 3, is_active=False),
            session("5555555555", updated_at=now + 4, expires_at=now - 60),
        ]
        assert await store.turns.settle([ending(lease, *map(made, records))]) == [True]

        async def found(**filters: Any) -> list[str]:
            return [record.id[0] for record in await store.sessions.find(SessionFilter(**filters))]

        assert await found() == ["3", "2", "1"]
        assert await found(live=False) == ["5", "4", "3", "2", "1"]
        assert await found(env="dev") == ["2"]
        assert await found(user_id=BOB) == ["2"]
        assert await found(flow_kind="single", state="wait_photo") == ["3"]
        assert await found(limit=1) == ["3"]
        assert await found(bot_id=BOT + 1) == []

    async def test_sessions_are_forgotten_after_a_while(self, store: Store, store_maker: StoreMaker) -> None:
        """What ended or expired long ago goes, with its journal; what is alive stays, without its old history."""
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        now = lease.entries[0].received_at
        records = [
            session("1111111111", updated_at=now),
            session("2222222222", updated_at=now, is_active=False),
            session("3333333333", updated_at=now, expires_at=now + 60),
        ]
        events = [SessionEvent(id, BOT, "pack", "e", "a", "b", 1, at=now) for id in ("1111111111", "2222222222", "")]
        journal = [JournalWrite("3333333333", 0, b"0")]
        assert await store.turns.settle([ending(lease, *map(made, records), events=events, journal=journal)]) == [True]
        await store_maker.elapse(7200)
        while await store.upkeep.prune(seen_s=1e9, dead_letters_s=1e9, sessions_s=3600):
            pass
        kept = await store.sessions.find(SessionFilter(live=False))
        assert [record.id for record in kept] == ["1111111111"]
        assert await store.sessions.journal("3333333333") == []
        assert await store.sessions.history("2222222222") == []
        assert await store.sessions.history("1111111111") == []
