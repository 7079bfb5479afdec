"""What a settlement means for Redis and what it means for the database: plain functions of values.

    Settlement ──► Change      the part for the chat's hash, as the commands that carry it out after the commit
              └──► Settlement  the rest, for the database, with the change's id as a piece of the lane's state

To Redis goes what belongs to the chat whose turn it is: its pieces of state, its sessions, their journals and history.
The database keeps what several lanes may write, because its commit is what orders them: pieces written to another
chat, a person's own sessions in all chats, and `posthouse:…`, the platform's own. A piece found there is newer than
Redis's; whoever writes it to Redis deletes it there with the same commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from posthouse.adapters.redis.keys import Keys, field_of, piece
from posthouse.adapters.redis.records import pack_event, pack_for_script, pack_session, place
from posthouse.core.effects import Effects, StateWrite
from posthouse.core.leases import Lease, Settlement
from posthouse.core.sessions import JournalWrite, SessionChanges, SessionEvent, SessionRecord, SessionWrite, moved

PLATFORM = "posthouse:"
MARK = "posthouse:redis"
"""The piece of a lane's state that says which change of it was committed last, and how long Redis has to know it."""

GONE = b"{ }"
"""A piece that is deleted although Redis has it. Read as a piece it is an empty one; nobody writes that so."""

HISTORY_MAX = 100
PRESSES_S = 30 * 86_400

Commands = list[list[str | bytes]]


class Mark(msgspec.Struct, frozen=True):
    """The id of a change, and until when Redis must remember it (epoch seconds)."""

    change: str = ""
    until: float = 0.0

    @classmethod
    def read(cls, piece: bytes | None) -> Mark:
        if piece is None:
            return cls()
        change, _, until = piece.decode().partition(" ")
        return cls(change, float(until))

    def written(self) -> bytes:
        return f"{self.change} {self.until:.0f}".encode()


class Change(msgspec.Struct, frozen=True):
    """What is to happen to one chat's hash, when these sessions are still where the turn saw them."""

    id: str
    packed: bytes
    compared: bytes


class Split(msgspec.Struct):
    """One settlement, taken apart. `refused` says that its own moves of a session contradict each other."""

    settlement: Settlement
    change: Change | None = None
    refused: bool = False


def split(
    settlement: Settlement, keys: Keys, *, ttl_s: float, now: float, absent: frozenset[str] = frozenset()
) -> Split:
    """Take a settlement apart. `absent` are sessions that Redis does not have: the database may."""
    lease, effects = settlement.lease, settlement.effects
    if not effects.states and not effects.sessions:
        return Split(settlement)
    ours, theirs = _states(effects.states, lease)
    here, there = _sessions(effects.sessions or SessionChanges(), lease, absent)
    if moved(here.writes, _expected(here.writes)) is not None:
        return Split(settlement, refused=True)
    change = None
    if ours or here:
        id = _id_of(settlement, ours, here)
        change = Change(
            id,
            pack_for_script([id, _commands(ours, here, lease, keys, ttl_s)]),
            pack_for_script(_compared(here.writes)),
        )
        theirs += [StateWrite(lease.bot_id, lease.lane, write.name, None) for write in ours]
        theirs.append(StateWrite(lease.bot_id, lease.lane, MARK, Mark(id, now + ttl_s).written()))
    rest = msgspec.structs.replace(effects, states=theirs, sessions=there or None)
    return Split(msgspec.structs.replace(settlement, effects=rest), change)


def from_outside(effects: Effects) -> Effects:
    """The effects of a job, all of which the database keeps: of no lane's turn, so they are pieces from elsewhere."""
    if not any(write.data is None for write in effects.states):
        return effects
    return msgspec.structs.replace(effects, states=[_for_database(write) for write in effects.states])


def is_platforms(name: str) -> bool:
    """Whether a piece is the platform's own, which is never kept in Redis."""
    return name.startswith(PLATFORM)


def merged(stored: dict[str, bytes], database: dict[str, bytes]) -> dict[str, bytes]:
    """A chat's pieces, when Redis has `stored` and the database newer ones."""
    pieces = {**stored, **database}
    return {name: data for name, data in pieces.items() if data != GONE and name != MARK}


# -- which part goes where -------------------------------------------------------------------------------------------


def _states(writes: Iterable[StateWrite], lease: Lease) -> tuple[list[StateWrite], list[StateWrite]]:
    ours: dict[str, StateWrite] = {}
    theirs: list[StateWrite] = []
    for write in writes:
        own = write.bot_id == lease.bot_id and write.lane == lease.lane
        if own and not is_platforms(write.name):
            ours[write.name] = write
        else:
            theirs.append(write if own else _for_database(write))
    return list(ours.values()), theirs


def _for_database(write: StateWrite) -> StateWrite:
    """A piece that is written from outside its lane's turns. Its end must be known as such: Redis may have it."""
    if write.data is not None or is_platforms(write.name):
        return write
    return StateWrite(write.bot_id, write.lane, write.name, GONE)


def _sessions(changes: SessionChanges, lease: Lease, absent: frozenset[str]) -> tuple[SessionChanges, SessionChanges]:
    elsewhere = set(absent)
    elsewhere.update(write.record.id for write in changes.writes if not _is_chats(write.record, lease))
    elsewhere.update(id for id, record in lease.sessions.items() if not _is_chats(record, lease))
    here, there = SessionChanges([], [], []), SessionChanges([], [], [])
    for write in changes.writes:
        (there if write.record.id in elsewhere else here).writes.append(write)
    for event in changes.events:
        (there if event.session_id in elsewhere else here).events.append(event)
    for entry in changes.journal:
        (there if entry.session_id in elsewhere else here).journal.append(entry)
    return here, there


def _is_chats(record: SessionRecord, lease: Lease) -> bool:
    """Whether a session belongs to the chat of this lease. A person's own in all chats belongs to none."""
    return record.bot_id == lease.bot_id and record.lane == lease.lane and record.owner.chat_id != 0


# -- what is to be done ----------------------------------------------------------------------------------------------


def _id_of(settlement: Settlement, states: list[StateWrite], sessions: SessionChanges) -> str:
    """A change is named by what it says, so that a settlement that is tried again is the same change."""
    said = (
        settlement.lease.token,
        settlement.done,
        [burial.entry_id for burial in settlement.buried],
        states,
        sessions,
    )
    return hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=12).hexdigest()


def _first_moves(writes: Sequence[SessionWrite]) -> dict[str, SessionWrite]:
    """The first move of each session; those behind it follow from it."""
    return {write.record.id: write for write in reversed(writes)}


def _expected(writes: Sequence[SessionWrite]) -> dict[str, tuple[str, int]]:
    """Where the sessions are, if they are where the turn saw them."""
    first = _first_moves(writes)
    return {id: (write.from_state, write.from_rev) for id, write in first.items() if write.from_rev}


def _compared(writes: Sequence[SessionWrite]) -> list[tuple[str, str, bytes]]:
    """The id of each session, its field, and how it must begin; nothing, when it must not exist."""
    return [
        (id, field_of(write.record), place(write.from_state, write.from_rev) if write.from_rev else b"")
        for id, write in _first_moves(writes).items()
    ]


def _commands(states: list[StateWrite], sessions: SessionChanges, lease: Lease, keys: Keys, ttl_s: float) -> Commands:
    key = keys.session(lease.bot_id, lease.lane)
    ttl, longer = ms(ttl_s), ms(ttl_s * 1.1)  # what a hash leads to must outlive it (shared.lua)
    commands: Commands = [write_command(key, write) for write in states]
    final = {write.record.id: write.record for write in sessions.writes}
    commands += _journal(sessions.journal, keys, longer)
    for record in final.values():
        commands += _kept(record, key, keys, longer) if record.is_active else _ended(record, key, keys, ttl)
    commands += _history(sessions.events, keys, longer)
    return commands


def write_command(key: str, write: StateWrite) -> list[str | bytes]:
    if write.data is None:
        return ["HDEL", key, piece(write.name)]
    return ["HSET", key, piece(write.name), write.data]


def _kept(record: SessionRecord, key: str, keys: Keys, ttl: str) -> Commands:
    field = field_of(record)
    return [
        ["HSET", key, field, pack_session(record)],
        ["SET", keys.home(record.id), f"{field} {key}", "PX", ttl],
    ]


def _ended(record: SessionRecord, key: str, keys: Keys, ttl: str) -> Commands:
    return [
        ["HDEL", key, field_of(record)],
        ["DEL", keys.home(record.id), keys.journal(record.id)],
        ["SET", keys.ended(record.id), pack_session(record), "PX", ttl],
    ]


def _journal(entries: Iterable[JournalWrite], keys: Keys, ttl: str) -> Commands:
    commands: Commands = []
    for entry in entries:
        commands.append(["HSET", keys.journal(entry.session_id), str(entry.ordinal), entry.record])
    commands += [["PEXPIRE", keys.journal(id), ttl] for id in sorted({entry.session_id for entry in entries})]
    return commands


def _history(events: Iterable[SessionEvent], keys: Keys, ttl: str) -> Commands:
    commands: Commands = []
    told: set[str] = set()
    for event in events:
        if event.session_id:  # a press whose session is not known is in no session's history
            commands.append(["RPUSH", keys.history(event.session_id), pack_event(event)])
            told.add(event.session_id)
        if event.format:
            presses = keys.presses(hour_of(event.at))
            press = msgspec.json.encode((event.flow_kind, event.event, event.format))
            commands += [["HINCRBY", presses, press, "1"], ["PEXPIRE", presses, ms(PRESSES_S)]]
    for id in sorted(told):
        commands += [["LTRIM", keys.history(id), str(-HISTORY_MAX), "-1"], ["PEXPIRE", keys.history(id), ttl]]
    return commands


def hour_of(moment: float) -> int:
    return int(moment // 3600)


def ms(seconds: float) -> str:
    """Seconds as Redis takes them."""
    return str(int(seconds * 1000))
