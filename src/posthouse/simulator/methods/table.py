"""Which method does what, and which methods exist at all.

A name in `METHODS` has behaviour. Another name in `KNOWN` exists in Bot API 10.3 but has none here yet, and
answers an honest 501. Any other name is 404, as on the real server. `KNOWN` is checked against aiogram by a
test.
"""

from __future__ import annotations

from importlib import resources

from posthouse.simulator.methods import bots, media, messages, polling, queries, webhooks
from posthouse.simulator.methods.call import Methods

METHODS: Methods = {
    name: perform
    for module in (bots, polling, webhooks, messages, media, queries)
    for name, perform in module.METHODS.items()
}
KNOWN = frozenset(resources.files(__package__).joinpath("known.txt").read_text().split())
CANONICAL = {name.lower(): name for name in (*KNOWN, *METHODS)}
"""Method names are case-insensitive."""
