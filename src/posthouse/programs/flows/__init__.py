"""Flows: dialogues by buttons as a table of states and events, with sessions that no stale button can move (S0).

table      states, events, pairs; checked on import; the picture
triggers   what makes an event happen: a button, a message, a finished job, a timer
rules      which session an event means, and whether it may act
router     resolve → transition → reject
screen     the one message that shows where a person is
"""

from posthouse.core.sessions import Reason, Strategy
from posthouse.programs.flows.flow import Flow
from posthouse.programs.flows.screen import Button, Screen
from posthouse.programs.flows.session import Session
from posthouse.programs.flows.table import NOOP, On, Refusal, Refuse
from posthouse.programs.flows.triggers import Command, Content, JobDone, JobFailed, Press, Text, Timer

__all__ = [
    "NOOP",
    "Button",
    "Command",
    "Content",
    "Flow",
    "JobDone",
    "JobFailed",
    "On",
    "Press",
    "Reason",
    "Refusal",
    "Refuse",
    "Screen",
    "Session",
    "Strategy",
    "Text",
    "Timer",
]
