"""Scenarios."""

from __future__ import annotations

from posthouse.simulator.views.view import View


class NewRecording(View):
    name: str = ""


class RecordingState(View):
    """What was recorded so far."""

    running: bool
    name: str
    steps: int
    answers: int


class Replayed(View):
    """A replay that went as it was recorded."""

    steps: int
    answers: int
    took_s: float
    """Real seconds."""
