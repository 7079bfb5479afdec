"""The text of a call, read and measured, and how its links are to be shown."""

from __future__ import annotations

from typing import Any

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.formatting import TEXT_BYTES_MAX, TEXT_CHARACTERS_MAX, Entity, render
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

_PREVIEW_FLAGS = ("prefer_small_media", "prefer_large_media", "show_above_text")


def read_text(parameters: Parameters, *, too_long: str) -> tuple[str, list[Entity]]:
    """The text of a message and its entities, or raise Refusal."""
    text = parameters.text("text")
    if not text:
        raise bad_request("message text is empty")
    shown, entities = _rendered(parameters, text)
    if not shown or shown.isspace():
        raise bad_request("text must be non-empty")
    if len(shown) > TEXT_CHARACTERS_MAX:
        raise bad_request(too_long)
    return shown, entities


def read_draft(parameters: Parameters) -> tuple[str, list[Entity]]:
    """The text of a draft, which may be empty, and its entities; or raise Refusal."""
    shown, entities = _rendered(parameters, parameters.text("text"))
    if len(shown) > TEXT_CHARACTERS_MAX:
        raise bad_request("message is too long")
    return shown, entities


def _rendered(parameters: Parameters, text: str) -> tuple[str, list[Entity]]:
    if len(text) > TEXT_BYTES_MAX // 4 and len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        raise bad_request("text is too long")
    return render(text, parameters.text("parse_mode"), read_json(parameters, "entities"))


def read_json(parameters: Parameters, name: str) -> Any:
    """The decoded value of that parameter, or raise Refusal."""
    if not parameters.has(name):
        return None
    try:
        return parameters.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {name} JSON object") from None


def read_preview(parameters: Parameters, entities: list[Entity]) -> Wire:
    """The options of the link preview that differ from the usual ones, or raise Refusal."""
    given = read_json(parameters, "link_preview_options")
    if given is None:
        given = {"is_disabled": True} if parameters.flag("disable_web_page_preview") else {}
    if not isinstance(given, dict):
        raise bad_request("object expected as link preview options")
    options = Parameters({name: value for name, value in given.items() if value is not None})
    if options.flag("is_disabled"):
        has_link = any(entity["type"] in ("url", "text_link") for entity in entities)
        return {"is_disabled": True} if has_link else {}
    shown: Wire = {"url": options.text("url")} if options.text("url") else {}
    return shown | {name: True for name in _PREVIEW_FLAGS if options.flag(name)}
