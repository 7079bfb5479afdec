"""Text as people see it, and the entities that describe its parts.

    what a bot wrote ─┬─ parse_mode ─► html.py, markdown_v2.py, markdown.py ─┐
                      └─ entities ───► explicit.py ──────────────────────────┴─► nesting.py ─► automatic.py ─► shown
                                                                                 clean, fit, trim   find links

An *entity* is a dictionary as the Bot API has it: type, offset and length in UTF-16 code units, and what its
type needs. Offsets in errors are bytes. All of it is pure: who a `text_mention` means is looked up by the caller.
Deliberately absent: bank card numbers, which the server finds but the schema does not list.
"""

from __future__ import annotations

from posthouse.simulator.formatting.automatic import automatic
from posthouse.simulator.formatting.explicit import read_entities
from posthouse.simulator.formatting.html import parse_html
from posthouse.simulator.formatting.markdown import parse_markdown
from posthouse.simulator.formatting.markdown_v2 import parse_markdown_v2
from posthouse.simulator.formatting.nesting import compose
from posthouse.simulator.formatting.units import Entity, Unparsable, utf16_length
from posthouse.simulator.refusals import bad_request

__all__ = [
    "CAPTION_CHARACTERS_MAX",
    "TEXT_BYTES_MAX",
    "TEXT_CHARACTERS_MAX",
    "Entity",
    "automatic",
    "compose",
    "render",
    "utf16_length",
]

TEXT_CHARACTERS_MAX = 4096
TEXT_BYTES_MAX = 32_768
CAPTION_CHARACTERS_MAX = 1024

_PARSERS = {"html": parse_html, "markdown": parse_markdown, "markdownv2": parse_markdown_v2}


def render(text: str, parse_mode: str, explicit: object) -> tuple[str, list[Entity]]:
    """The text a person sees and its entities, or raise Refusal. `explicit` counts only without a parse_mode."""
    mode = parse_mode.strip().lower()
    if mode in ("", "none"):
        return compose(text, read_entities(explicit) if explicit else [])
    if mode not in _PARSERS:
        raise bad_request("unsupported parse_mode")
    try:
        text, entities = _PARSERS[mode](text.replace("\0", " "))
    except Unparsable as error:
        raise bad_request(f"can't parse entities: {error}") from None
    return compose(text, entities)
