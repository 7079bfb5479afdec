"""What an author gets wrong in a flow or conversation is said when the module is imported, with the mend."""

from __future__ import annotations

from typing import Any

import pytest

from posthouse import App, Flow, On, Refuse, Screen, Session, Turn
from posthouse.core.errors import AuthorError
from posthouse.programs.flows import Text


def screen(turn: Turn, session: Session) -> Screen:
    return Screen("here")


def flow(*rows: On | Refuse, **more: Any) -> Flow:
    return Flow("order", start="asking", states={"asking": screen, "done": screen}, rows=rows, **more)


def test_one_final_state_needs_no_tuple() -> None:
    """As one start does not."""
    assert flow(On("asking", "go", to="done"), final="done").table.final == {"done"}


def test_a_reason_is_one_of_the_closed_list() -> None:
    """A word of the flow's own is the detail."""
    reason: Any = "already_cooking"
    with pytest.raises(AuthorError, match="'already_cooking', which is no Reason"):
        flow(On("asking", "go", to="done"), Refuse("done", "go", reason), final="done")


@pytest.mark.parametrize("trigger", ["text", Text])
def test_a_trigger_is_an_object_of_its_class(trigger: Any) -> None:
    """Neither its name nor the class itself."""
    with pytest.raises(AuthorError, match=r"the trigger of go is .*: write one such as Text\(\)"):
        flow(On("asking", "go", to="done"), final="done", events={"go": trigger})


def test_a_conversation_is_registered_with_parentheses() -> None:
    """Without them the name would be a function, and what is returned could not begin."""

    async def order(talk: Any) -> None: ...

    without_parentheses: Any = App("cafe").conversation
    with pytest.raises(AuthorError, match=r"write @app.conversation\(\) with parentheses"):
        without_parentheses(order)
