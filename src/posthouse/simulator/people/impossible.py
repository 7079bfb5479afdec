"""What people cannot do."""

from __future__ import annotations

from posthouse.simulator.refusals import Refusal


class Impossible(Exception):
    """This person cannot do that now; the message says why."""


def refuse_person(refusal: Refusal | None) -> None:
    """A bot would be refused this; to a person an app does not even offer it. Raise Impossible with the reason."""
    if refusal is not None:
        raise Impossible(refusal.description.partition(": ")[2])
