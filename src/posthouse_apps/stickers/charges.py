"""Charges: what a session has paid for the work that is being done for it.

`charge` takes credits in the turn that queues the work, `refund` gives them back in the turn that hears of its failure,
`settle` forgets the charge when the work is there. The key is the session and its revision: a charge is one move of
one session, and can neither be taken nor given back twice.
"""

from __future__ import annotations

from posthouse import Session, Turn
from posthouse.programs.flows import Refusal
from posthouse_apps.stickers import credits

CHARGE = "charge"  # in the session's data: the key of what was taken
RETURNED = "returned"  # there too: how many credits came back when the last work failed


async def charge(turn: Turn, session: Session, amount: int) -> Refusal | None:
    """Take so many credits for work that this turn queues; the refusal when the person has too few."""
    key = f"{session.id}:{session.rev}"
    if not await turn.transact(credits.take, user_of(session), amount, key, turn.moment):
        return Refusal("no_credits", turn.t("credits.too_few", needed=amount, daily=credits.DAILY))
    session.data[CHARGE] = key
    return None


async def refund(turn: Turn, session: Session) -> int:
    """Give back what was taken for the work that came to nothing; returns how many credits."""
    key = session.data.pop(CHARGE, None)
    returned = 0 if key is None else await turn.transact(credits.give_back, key, turn.moment)
    session.data[RETURNED] = returned
    return returned


def settle(session: Session) -> None:
    """The work is there: what was taken for it is earned."""
    session.data.pop(CHARGE, None)


def apology(turn: Turn, session: Session) -> str:
    """What to say above a screen that is shown because drawing came to nothing; else empty."""
    match session.result:
        case {"fault": str(fault)}:
            why = turn.t(f"photo.{fault}")
        case str():  # the job was given up: its traceback is among the dead letters, for the operator
            why = turn.t("failed")
        case _:
            return ""
    returned = session.data.get(RETURNED, 0)
    return f"{why} {turn.t('given_back', credits=returned)}\n\n" if returned else f"{why}\n\n"


def user_of(session: Session) -> int:
    """Whose credits they are: also when a finished job speaks, and no person does."""
    return session.record.owner.user_id
