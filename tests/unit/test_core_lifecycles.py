"""Lifecycles are closed tables."""

from __future__ import annotations

from enum import StrEnum

import pytest

from posthouse.core.lifecycles import (
    DELIVERY_MOVES,
    ENTRY_MOVES,
    JOB_MOVES,
    DeliveryState,
    EntryState,
    JobState,
)

Moves = dict[StrEnum, frozenset[StrEnum]]
TABLES = [(EntryState, ENTRY_MOVES), (DeliveryState, DELIVERY_MOVES), (JobState, JOB_MOVES)]
FINAL = {EntryState: {"done"}, DeliveryState: {"sent"}, JobState: {"done", "cancelled"}}

each_table = pytest.mark.parametrize(("states", "moves"), TABLES, ids=lambda x: getattr(x, "__name__", ""))


def reachable(moves: Moves, start: StrEnum) -> set[StrEnum]:
    """The states that can be reached from one, itself included."""
    found, open_ = {start}, [start]
    while open_:
        for state in moves[open_.pop()] - found:
            found.add(state)
            open_.append(state)
    return found


@each_table
def test_every_state_has_its_moves_and_no_others(states: type[StrEnum], moves: Moves) -> None:
    """A table has a line for each state, and moves only between states of its lifecycle."""
    assert set(moves) == set(states)
    assert set().union(*moves.values()) <= set(states)


@each_table
def test_every_state_can_be_reached(states: type[StrEnum], moves: Moves) -> None:
    """Everything begins waiting, and every state can be reached from there."""
    assert reachable(moves, states("waiting")) == set(states)


@each_table
def test_no_state_is_a_trap(states: type[StrEnum], moves: Moves) -> None:
    """From every state an end can be reached; only the ends have no moves."""
    ends = {state for state in states if not moves[state]}
    assert ends == {states(name) for name in FINAL[states]}
    assert all(reachable(moves, state) & ends for state in states)


@each_table
def test_no_state_moves_to_itself(states: type[StrEnum], moves: Moves) -> None:
    """A move changes the state."""
    assert all(state not in moves[state] for state in states)


@each_table
def test_the_dead_can_only_be_replayed(states: type[StrEnum], moves: Moves) -> None:
    """A dead letter can go back to waiting, and nowhere else."""
    assert moves[states("dead")] == {states("waiting")}


def test_work_ends_only_from_somebodys_hands() -> None:
    """Only what is leased, sending or running can be done or sent: nobody ends what nobody holds."""
    assert {s for s, to in ENTRY_MOVES.items() if EntryState.DONE in to} == {EntryState.LEASED}
    assert {s for s, to in DELIVERY_MOVES.items() if DeliveryState.SENT in to} == {DeliveryState.SENDING}
    assert {s for s, to in JOB_MOVES.items() if JobState.DONE in to} == {JobState.RUNNING}
