"""A scenario as typed records, and its file.

scenario: 1
name: a first order
bots: {"4242": psyche_bot}
steps:
  - does: POST /people
    with: {first_name: Ann}
    gives: {id: 100001}
  - does: POST /chats/4242:100001/messages
    with: {person: 100001, text: /start}
    answers:
      - {kind: bot.said, bot: 4242, chat: "4242:100001", text: "Welcome, Ann", buttons: [[Order]]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

VERSION: Literal[1] = 1
BotDeed = Literal["bot.said", "bot.edited", "bot.deleted", "bot.answered"]


class ScenarioInvalid(ValueError):
    """This file is no scenario; the message says where and why."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Expected(_Record):
    """Something that a bot did, or must do. What is left out may be anything."""

    kind: BotDeed
    bot: int | None = None
    chat: str | None = None
    text: str | None = None
    """Exactly this text."""
    contains: str | None = None
    matches: str | None = None
    """A regular expression that is found in the text."""
    buttons: list[list[str]] | None = None


class Step(_Record):
    """One act, and what the bots answered until the next one."""

    does: Annotated[str, Field(pattern=r"^(POST|PUT|PATCH|DELETE) /\S*$")]
    """Method and path under /sim/v1."""
    body: Annotated[Any, Field(alias="with")] = None
    """What was sent along, as JSON."""
    content: str | None = None
    """What was sent along when it was not JSON, in base64; its type is `content_type`."""
    content_type: str | None = None
    gives: Any = None
    """What came back when it was recorded: whose ids stand for what in later steps."""
    status: int = 200
    """409 for an act that was impossible, and must be again."""
    after_s: float = 0.0
    """Seconds of the town's clock since the step before."""
    answers: list[Expected] = []


class Scenario(_Record):
    """Steps in order. `bots` names the bots that took part, by id; a replay can put others in their place."""

    scenario: Literal[1] = VERSION
    name: str = ""
    bots: dict[int, str] = {}
    steps: list[Step] = []

    def to_yaml(self) -> str:
        """The scenario as its file, with nothing that goes without saying."""
        told = self.model_dump(by_alias=True, exclude_defaults=True)
        told = {"scenario": VERSION, **told}
        return str(yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None))


def read_scenario(text: str, where: str = "scenario") -> Scenario:
    """The scenario that a YAML or JSON text holds, or raise ScenarioInvalid."""
    try:
        told = yaml.safe_load(text)
        return Scenario.model_validate(told)
    except yaml.YAMLError as error:
        raise ScenarioInvalid(f"{where} is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = _place(first["loc"])
        raise ScenarioInvalid(f"{where}: {place}: {first['msg']}") from None


def load_scenario(path: Path) -> Scenario:
    """The scenario of a file, or raise ScenarioInvalid."""
    try:
        return read_scenario(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioInvalid(f"{path} cannot be read: {error}") from None


def _place(location: tuple[int | str, ...]) -> str:
    """`step 3, with` for ("steps", 2, "with")."""
    match location:
        case ("steps", int(number), *rest):
            return ", ".join([f"step {number + 1}", *map(str, rest)])
        case ():
            return "the file"
    return ".".join(map(str, location))
