"""Which method does what.

A name in `METHODS` has behaviour. Another method of Bot API 10.3 has none here yet and answers an honest 501.
Any other name is 404, as on the real server.
"""

from __future__ import annotations

from posthouse.simulator.methods import (
    albums,
    bots,
    chats,
    copies,
    deletions,
    drafts,
    edits,
    inline,
    invites,
    media,
    members,
    messages,
    paid_media,
    payments,
    pins,
    places,
    polling,
    polls,
    profile,
    queries,
    reactions,
    sessions,
    stars,
    sticker_sets,
    stickers,
    topics,
    webhooks,
)
from posthouse.simulator.methods.call import Methods
from posthouse.simulator.schema import SCHEMA

_MODULES = (
    albums,
    bots,
    chats,
    copies,
    deletions,
    drafts,
    edits,
    inline,
    invites,
    media,
    members,
    messages,
    paid_media,
    payments,
    pins,
    places,
    polling,
    polls,
    profile,
    queries,
    reactions,
    sessions,
    stars,
    sticker_sets,
    stickers,
    topics,
    webhooks,
)
METHODS: Methods = {name: perform for module in _MODULES for name, perform in module.METHODS.items()}
GAPS: dict[str, str] = {name: gap for module in _MODULES for name, gap in getattr(module, "GAPS", {}).items()}
"""What a method with behaviour does not do yet, in a few words; a module may say so in its `GAPS`."""
CANONICAL = {name.lower(): name for name in SCHEMA.methods}
"""Method names are case-insensitive."""
