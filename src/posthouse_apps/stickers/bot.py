"""The application itself: its name, its texts, its tables. Handlers, flows and jobs add themselves to it."""

from __future__ import annotations

from pathlib import Path

from posthouse import App
from posthouse.kits.i18n import N_, Messages
from posthouse_apps.stickers import credits

texts = Messages.load(Path(__file__).with_name("messages.txt"))

app = App("stickers", texts=texts, tables=credits.metadata)

REJECTS = (
    N_("reject.wrong_step"),
    N_("reject.already_generating"),
    N_("reject.already_processing"),
    N_("reject.noop"),
)
"""What the flows say no with. The router finds them by the detail of a row; every other reason has its own words."""
