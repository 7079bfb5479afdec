"""Credits: whole numbers that a person has, and every move of them.

    sticker_credits        one row a person; the balance is never below nought, and the database sees to it
    sticker_credit_moves   one row a move; its key is unique, so that nothing moves twice
    sticker_trial_days     how many trial credits a day has given away

A balance is the sum of its moves. Whoever takes does it with one conditional UPDATE (C0-18): reading first and writing
afterwards once gave two pictures for one credit. Each function is for `turn.transact`, so credits and the work they pay
for become true in one commit. `at` is the turn's moment, in epoch seconds.

Deliberately absent: buying credits. A payment would be one more reason to give.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import Insert

DAILY = 5
"""What /credits gives a person once a day."""

TRIALS_PER_DAY = 20
"""Trial credits that everybody together may get in a day (C0-16)."""

metadata = MetaData()

accounts = Table(
    "sticker_credits",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("balance", Integer, nullable=False),
    CheckConstraint("balance >= 0", name="sticker_credits_balance"),
)

moves = Table(
    "sticker_credit_moves",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("user_id", BigInteger, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("key", String(96), nullable=False, unique=True),
    Column("at", Float, nullable=False),
)

trial_days = Table(
    "sticker_trial_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("given", Integer, nullable=False),
)


class Trial(StrEnum):
    """What came of asking for a trial credit."""

    GIVEN = "given"
    HAD = "had"
    NONE_LEFT = "none_left"


def balance(connection: Connection, user_id: int) -> int:
    """How many credits a person has."""
    return connection.execute(select(accounts.c.balance).where(accounts.c.user_id == user_id)).scalar() or 0


def take(connection: Connection, user_id: int, amount: int, key: str, at: float) -> bool:
    """Take credits; False, and nothing has happened, when there are too few. Twice with one key takes once."""
    if _has_moved(connection, key):
        return True
    enough = (accounts.c.user_id == user_id) & (accounts.c.balance >= amount)
    taken = connection.execute(update(accounts).where(enough).values(balance=accounts.c.balance - amount))
    if taken.rowcount == 0:
        return False
    connection.execute(_move(user_id, -amount, "work", key, at))
    return True


def give_back(connection: Connection, key: str, at: float) -> int:
    """Give back what was taken under this key, once; returns how many credits that is now."""
    taken = connection.execute(select(moves.c.user_id, moves.c.amount).where(moves.c.key == key)).first()
    if taken is None or taken.amount >= 0:
        return 0
    given = _give(connection, taken.user_id, -taken.amount, "refund", f"{key}:back", at)
    return -taken.amount if given else 0


def grant_daily(connection: Connection, user_id: int, at: float) -> int:
    """Give a person today's credits, once in a day of UTC; returns how many were given."""
    return DAILY if _give(connection, user_id, DAILY, "daily", f"daily:{user_id}:{_day(at)}", at) else 0


def grant_trial(connection: Connection, user_id: int, at: float) -> Trial:
    """Give a person one credit to try with, once in a lifetime, while the day has some left for everybody."""
    key = f"trial:{user_id}"
    if _has_moved(connection, key):
        return Trial.HAD
    today = trial_days.c.day == _day(at)
    _inserted(connection, insert(trial_days).values(day=_day(at), given=0))
    left = today & (trial_days.c.given < TRIALS_PER_DAY)
    if connection.execute(update(trial_days).where(left).values(given=trial_days.c.given + 1)).rowcount == 0:
        return Trial.NONE_LEFT
    return Trial.GIVEN if _give(connection, user_id, 1, "trial", key, at) else Trial.HAD


# -- moves --------------------------------------------------------------------------------------------------------


def _give(connection: Connection, user_id: int, amount: int, reason: str, key: str, at: float) -> bool:
    """Add credits, or return False when this key has given already."""
    if not _inserted(connection, _move(user_id, amount, reason, key, at)):
        return False
    mine = update(accounts).where(accounts.c.user_id == user_id).values(balance=accounts.c.balance + amount)
    if connection.execute(mine).rowcount == 0:
        newcomer = insert(accounts).values(user_id=user_id, balance=amount)
        if not _inserted(connection, newcomer):  # somebody else has just made the row
            connection.execute(mine)
    return True


def _move(user_id: int, amount: int, reason: str, key: str, at: float) -> Insert:
    return insert(moves).values(user_id=user_id, amount=amount, reason=reason, key=key, at=at)


def _has_moved(connection: Connection, key: str) -> bool:
    return connection.execute(select(moves.c.id).where(moves.c.key == key)).first() is not None


def _inserted(connection: Connection, statement: Insert) -> bool:
    """Whether the row is new; one that has its key already stays as it is."""
    try:
        with connection.begin_nested():
            connection.execute(statement)
    except IntegrityError:
        return False
    return True


def _day(at: float) -> int:
    """The day of UTC, counted from 1970."""
    return int(at // 86_400)
