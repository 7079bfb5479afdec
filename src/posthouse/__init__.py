"""Posthouse runs Telegram bots so that no update is lost and no effect happens twice.

A native bot needs these names; what else flows and conversations offer is in `posthouse.programs.flows` and
`posthouse.programs.conversations`, and everything else is imported from where it lives.
"""

from posthouse.core.effects import Priority, WhenUncertain
from posthouse.core.errors import PosthouseError, Retryable, Terminal
from posthouse.programs.actions import File
from posthouse.programs.app import App
from posthouse.programs.conversations.talk import Talk
from posthouse.programs.flows.flow import Flow
from posthouse.programs.flows.screen import Button, Screen
from posthouse.programs.flows.session import Session
from posthouse.programs.flows.table import On, Refuse
from posthouse.programs.job import Job
from posthouse.programs.turn import Turn

__all__ = [
    "App",
    "Button",
    "File",
    "Flow",
    "Job",
    "On",
    "PosthouseError",
    "Priority",
    "Refuse",
    "Retryable",
    "Screen",
    "Session",
    "Talk",
    "Terminal",
    "Turn",
    "WhenUncertain",
]
