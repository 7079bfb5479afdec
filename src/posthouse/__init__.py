"""Posthouse runs Telegram bots so that no update is lost and no effect happens twice.

A native bot needs these names; everything else is imported from where it lives.
"""

from posthouse.core.effects import Priority, WhenUncertain
from posthouse.core.errors import PosthouseError, Retryable, Terminal
from posthouse.programs.app import App
from posthouse.programs.job import Job
from posthouse.programs.turn import Turn

__all__ = ["App", "Job", "PosthouseError", "Priority", "Retryable", "Terminal", "Turn", "WhenUncertain"]
