"""Every adapter keeps the contract of the store."""

from __future__ import annotations

from posthouse.testing.contracts.desk import DeskContract
from posthouse.testing.contracts.inbox import InboxContract
from posthouse.testing.contracts.jobs import JobsContract
from posthouse.testing.contracts.journal import JournalContract
from posthouse.testing.contracts.outbox import OutboxContract
from posthouse.testing.contracts.sessions import SessionsContract
from posthouse.testing.contracts.turns import TurnsContract
from posthouse.testing.contracts.upkeep import UpkeepContract


class TestInbox(InboxContract):
    pass


class TestTurns(TurnsContract):
    pass


class TestJournal(JournalContract):
    pass


class TestOutbox(OutboxContract):
    pass


class TestJobs(JobsContract):
    pass


class TestUpkeep(UpkeepContract):
    pass


class TestDesk(DeskContract):
    pass


class TestSessions(SessionsContract):
    pass
