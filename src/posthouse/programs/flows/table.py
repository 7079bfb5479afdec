"""A flow as data: states, events, and what each pair of them comes to. Checked when it is made, so on import.

    On("choosing", "order.pick", to="confirming", handler=pick)       a transition
    Refuse("ordered", "order.pick", Reason.ALREADY_DONE)              a pair that is expected, and refused by name
    every other pair                                                  a reject with the reason `wrong_state`

The pair decides, never an `if` in a handler: what is not in the table cannot happen (C0-3). `mermaid` draws the picture
from the same table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import Reason, Strategy
from posthouse.programs.flows.triggers import Press, Trigger
from posthouse.telegram.callback_data import Format, check_action

if TYPE_CHECKING:
    from posthouse.programs.flows.screen import Screen
    from posthouse.programs.flows.session import Session
    from posthouse.programs.turn import Turn

Handler = Callable[["Turn", "Session"], Awaitable[Any]]
"""`async def handler(turn, session)`: returns None, the next state where there are several, or a `Refusal`."""

Screens = Callable[["Turn", "Session"], "Screen | Awaitable[Screen]"]
"""What the person sees in a state: `def screen(turn, session) -> Screen`, or the same with `async`."""

NOOP = "noop"
"""The event of a button that only shows something, such as "Generating…"; every flow understands it (C0-12)."""


@dataclass(frozen=True, slots=True)
class On:
    """In this state (or these), this event leads to that state; the handler does what belongs to it.

    With several `to` the handler returns which. `idempotent` (only for a state that leads to itself) says that a
    stale press may draw the screen again: it moves nothing.
    """

    state: str | tuple[str, ...]
    event: str
    to: str | tuple[str, ...]
    handler: Handler | None = None
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """In this state (or these), this event is refused for this reason; `detail` is the flow's own word for it."""

    state: str | tuple[str, ...]
    event: str
    reason: Reason
    detail: str = ""


Row = On | Refuse


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a handler returns to say no by a rule of its own: the person reads `text`, and nothing has happened.

    Return it before asking for anything: effects and session data of the handler are forgotten, rows that it wrote
    with `turn.transact` are not.
    """

    detail: str
    text: str = ""
    show_alert: bool = True


@dataclass(frozen=True)
class Table:
    """The checked table of one flow. Raises `AuthorError` with everything that is wrong with it."""

    name: str
    states: tuple[str, ...]
    start: tuple[str, ...]
    final: frozenset[str]
    rows: tuple[Row, ...]
    triggers: Mapping[str, Trigger]
    pairs: Mapping[tuple[str, str], Row] = field(init=False)

    def __post_init__(self) -> None:
        problems: list[str] = []
        pairs: dict[tuple[str, str], Row] = {}
        for row in self.rows:
            for state in _each(row.state):
                if (state, row.event) in pairs:
                    problems.append(f"the pair ({state}, {row.event}) has two rows")
                pairs[state, row.event] = row
        object.__setattr__(self, "pairs", pairs)
        problems += [*self._wrong_states(), *self._wrong_rows(), *self._wrong_events()]
        if problems:
            raise AuthorError(f"flow {self.name!r} is not possible:\n" + "\n".join(f"- {text}" for text in problems))

    @property
    def events(self) -> tuple[str, ...]:
        """Every event of the table, in its order."""
        return tuple(dict.fromkeys(row.event for row in self.rows))

    def row(self, state: str, event: str) -> Row | None:
        return self.pairs.get((state, event))

    def expected(self, event: str) -> tuple[str, ...]:
        """The states in which an event leads on."""
        return tuple(state for (state, name), row in self.pairs.items() if name == event and isinstance(row, On))

    @property
    def pressed(self) -> tuple[str, ...]:
        """The events that a button makes. The others happen by a message, a job or a timer alone, whatever is sent."""
        return tuple(event for event in self.events if isinstance(self.triggers.get(event), Press | None))

    def action(self, event: str) -> str:
        """What a button of this event carries."""
        trigger = self.triggers.get(event)
        return (trigger.action if isinstance(trigger, Press) else "") or event

    # -- checks ---------------------------------------------------------------------------------------------------

    def _wrong_states(self) -> Iterable[str]:
        known = set(self.states)
        for state in self.states:
            if self.states.count(state) > 1:
                yield f"the state {state} is there twice"
        named = [(state, f"the row for {row.event}") for row in self.rows for state in _each(row.state)]
        named += [(to, f"the row for {row.event}") for row in self.rows if isinstance(row, On) for to in _each(row.to)]
        named += [(state, "start") for state in self.start] + [(state, "final") for state in self.final]
        for state, where in named:
            if state not in known:
                yield f"{where} names the state {state}, which is not among its states"
        reached, waiting = set(self.start), list(self.start)
        while waiting:
            here = waiting.pop()
            for (state, _), row in self.pairs.items():
                if state == here and isinstance(row, On):
                    fresh = set(_each(row.to)) - reached
                    reached |= fresh
                    waiting += fresh
        for state in self.states:
            if state not in reached:
                yield f"no row leads to the state {state}: it is unreachable"
            leaves = any(name == state and isinstance(row, On) for (name, _), row in self.pairs.items())
            if state in self.final and leaves:
                yield f"the final state {state} has a row that leads on: a session that has ended cannot"
            if state not in self.final and not leaves:
                yield f"no row leaves the state {state}: say that it is final, or what leads on"

    def _wrong_rows(self) -> Iterable[str]:
        for row in self.rows:
            if isinstance(row, Refuse):
                if row.reason not in set(Reason):
                    yield (
                        f"the row for {row.event} refuses for {row.reason!r}, which is no Reason: choose one, and put a"
                        " word of your own into detail"
                    )
                continue
            if len(_each(row.to)) > 1 and row.handler is None:
                yield f"the row for {row.event} leads to several states and has no handler that would choose"
            if row.idempotent and _each(row.state) != _each(row.to):
                yield f"the row for {row.event} is idempotent, but leads to another state"

    def _wrong_events(self) -> Iterable[str]:
        for event, trigger in self.triggers.items():
            if event not in self.events:
                yield f"the event {event} has a trigger, but no row"
            given: object = trigger
            if not isinstance(given, Trigger):
                yield f"the trigger of {event} is {trigger!r}: write one such as Text(), Content(…) or Timer()"
        actions: dict[str, str] = {}
        for event in self.pressed:
            action = self.action(event)
            problem = check_action(action)
            if problem:
                yield problem
            if action == NOOP or actions.setdefault(action, event) != event:
                yield f"the action {action!r} of {event} is taken by {actions.get(action, 'every flow')}"


@dataclass(frozen=True, slots=True)
class Policy:
    """How sessions of a flow live, besides what its table says."""

    strategy: Strategy = Strategy.USER_IN_CHAT
    """Whose a session is."""
    ttl_s: float | None = 86_400.0
    """How long it may be idle (S4-7); None lives until it ends."""
    formats: frozenset[Format] = frozenset({Format.REV})
    """Which buttons are understood; the others are rejected with `legacy_format` (S0-16, S0-44)."""


def mermaid(table: Table) -> str:
    """The state diagram of a flow, for Mermaid: drawn from the table, so it cannot differ from it."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}" for state in table.start)]
    for row in table.rows:
        if isinstance(row, On):
            lines += [f"    {state} --> {to} : {row.event}" for state in _each(row.state) for to in _each(row.to)]
    lines += [f"    {state} --> [*]" for state in table.states if state in table.final]
    for state in table.states:
        refused = [row for row in table.rows if isinstance(row, Refuse) and state in _each(row.state)]
        if refused:
            lines.append(f"    note right of {state}")
            lines += [
                f"        {row.event} is refused, {row.reason}" + (f" ({row.detail})" if row.detail else "")
                for row in refused
            ]
            lines.append("    end note")
    return "\n".join(lines) + "\n"


def _each(states: str | tuple[str, ...]) -> tuple[str, ...]:
    return (states,) if isinstance(states, str) else states
