"""sendPoll and stopPoll. What people do with a poll is in `people/polls.py`."""

from __future__ import annotations

from typing import Any

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.formatting import Entity, render
from posthouse.simulator.keyboards import parse_markup
from posthouse.simulator.media import Fact, Media
from posthouse.simulator.methods.attachments import INPUT_MEDIA, input_media, read_media
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.messages import deliver
from posthouse.simulator.methods.places import read_location, read_venue
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.people.polls import close
from posthouse.simulator.polls import (
    OPEN_S_MAX,
    OPEN_S_MIN,
    OPTION_CHARACTERS_MAX,
    OPTIONS_MAX,
    QUESTION_CHARACTERS_MAX,
    Poll,
    PollMedia,
    PollOption,
)
from posthouse.simulator.refusals import bad_request

EXPLANATION_CHARACTERS_MAX = 200
EXPLANATION_LINE_FEEDS_MAX = 2
DESCRIPTION_CHARACTERS_MAX = 1024
COUNTRIES_MAX = 12


async def send_poll(call: Call) -> Wire:
    fields = call.parameters
    question, question_entities = _formatted(fields, "question", emoji_only=True)
    if not question:
        raise bad_request("poll question must be non-empty")
    if len(question) > QUESTION_CHARACTERS_MAX:
        raise bad_request(f"poll question length must not exceed {QUESTION_CHARACTERS_MAX}")
    poll = Poll(str(call.world.town.dice.randint(10**18, 9 * 10**18)), question, await _options(call), call.bot)
    poll.question_entities = question_entities
    poll.is_anonymous = fields.flag("is_anonymous") if fields.has("is_anonymous") else True
    poll.allows_multiple_answers = fields.flag("allows_multiple_answers")
    poll.hides_results = fields.flag("hide_results_until_closes")
    poll.members_only = fields.flag("members_only")
    poll.country_codes = [str(code) for code in _list(fields, "country_codes")][:COUNTRIES_MAX]
    poll.description, poll.description_entities = _formatted(fields, "description")
    if len(poll.description) > DESCRIPTION_CHARACTERS_MAX:
        raise bad_request("message caption is too long")
    poll.media = await _media(call, fields, "media")
    await _read_kind(call, poll)
    poll.allows_revoting = fields.flag("allows_revoting") if fields.has("allows_revoting") else not poll.is_quiz
    _read_end(call, poll)
    poll.is_closed = fields.flag("is_closed")
    shown = deliver(call, media=PollMedia(poll))
    call.world.town.keep_poll(poll)
    call.world.polls_bell.ring()
    return shown


def stop_poll(call: Call) -> Wire:
    markup = parse_markup(call.parameters)
    message = call.chat_to_write().messages.get(call.parameters.integer("message_id"))
    if message is None or message.deleted:
        raise bad_request("message with poll to stop not found")
    if not isinstance(message.media, PollMedia):
        raise bad_request("message is not a poll")
    poll = message.media.poll
    if poll.bot is not call.bot or message.sender is not call.bot:
        raise bad_request("poll can't be stopped")
    if poll.is_over(call.now):
        raise bad_request("poll has already been closed")
    message.inline = markup.inline
    close(call.world.town, poll)
    message.cursor = call.world.journal.record(
        "bot.edited", bot_id=call.bot.id, chat=message.chat.ref, message_id=message.id, media="poll"
    )
    return poll.wire(call.bot)


async def _options(call: Call) -> list[PollOption]:
    try:
        given = call.parameters.json("options")
    except msgspec.DecodeError:
        raise bad_request("can't parse options JSON object") from None
    if not isinstance(given, list):
        raise bad_request("expected an Array of InputPollOption")
    if not given:
        raise bad_request("poll must have at least 1 option")
    if len(given) > OPTIONS_MAX:
        raise bad_request(f"poll can't have more than {OPTIONS_MAX} options")
    return [await _option(call, number, option) for number, option in enumerate(given)]


async def _option(call: Call, number: int, option: object) -> PollOption:
    if isinstance(option, str):
        option = {"text": option}
    if not isinstance(option, dict):
        raise bad_request("expected an option to be of type InputPollOption")
    fields = Parameters({name: value for name, value in option.items() if value is not None}, call.parameters.files)
    text, entities = _formatted(fields, "text", emoji_only=True)
    if not text:
        raise bad_request("poll options must be non-empty")
    if len(text) > OPTION_CHARACTERS_MAX:
        raise bad_request(f"poll options length must not exceed {OPTION_CHARACTERS_MAX}")
    return PollOption(str(number), text, entities, await _media(call, fields, "media"))


async def _read_kind(call: Call, poll: Poll) -> None:
    kind = call.parameters.text("type")
    if kind not in ("", "regular", "quiz"):
        raise bad_request("unsupported poll type specified")
    poll.is_quiz = kind == "quiz"
    if not poll.is_quiz:
        return
    fields = call.parameters
    chosen = _list(fields, "correct_option_ids")
    if not chosen and fields.has("correct_option_id"):
        chosen = [fields.integer("correct_option_id")]
    numbers = [number for number in chosen if isinstance(number, int) and 0 <= number < len(poll.options)]
    if not numbers or numbers != chosen or numbers != sorted(set(numbers)):
        raise bad_request("wrong correct option ID specified")
    poll.correct = numbers
    poll.explanation, poll.explanation_entities = _formatted(fields, "explanation")
    if len(poll.explanation) > EXPLANATION_CHARACTERS_MAX or poll.explanation.count("\n") > EXPLANATION_LINE_FEEDS_MAX:
        raise bad_request("message caption is too long")
    poll.explanation_media = await _media(call, fields, "explanation_media")


def _read_end(call: Call, poll: Poll) -> None:
    """`open_period` or `close_date`; with both, the period counts."""
    period = call.parameters.integer("open_period", low=0, high=OPEN_S_MAX)
    date = call.parameters.integer("close_date")
    now = int(call.now)
    if period:
        poll.open_s = max(OPEN_S_MIN, period)
        poll.close_date = now + poll.open_s
    elif date:
        if not OPEN_S_MIN <= date - now <= OPEN_S_MAX:
            raise bad_request("wrong poll close date specified")
        poll.close_date = date


async def _media(call: Call, fields: Parameters, name: str) -> Media | None:
    """The media beside a question, an explanation or an option, None if there is none."""
    try:
        item = fields.json(name)
    except msgspec.DecodeError:
        raise bad_request("can't parse input media JSON object") from None
    if item is None:
        return None
    inner = input_media(call, item)
    kind = inner.text("type")
    if kind == "location":
        return read_location(inner)
    if kind == "venue":
        return read_venue(inner)
    if kind == "link":
        return Fact("link", {"url": inner.text("url")})
    return await read_media(call, item, kinds=(*INPUT_MEDIA, "sticker"))


def _formatted(fields: Parameters, name: str, *, emoji_only: bool = False) -> tuple[str, list[Entity]]:
    """A text with its own parse mode; `emoji_only` drops every entity but custom emoji."""
    try:
        explicit = fields.json(f"{name}_entities")
    except msgspec.DecodeError:
        explicit = None
    text, entities = render(fields.text(name), fields.text(f"{name}_parse_mode"), explicit)
    return text, [entity for entity in entities if not emoji_only or entity["type"] == "custom_emoji"]


def _list(fields: Parameters, name: str) -> list[Any]:
    try:
        given = fields.json(name)
    except msgspec.DecodeError:
        return []
    return given if isinstance(given, list) else []


METHODS: Methods = {
    "sendPoll": send_poll,
    "stopPoll": stop_poll,
}
GAPS = {"sendPoll": "options cannot be added by people; shuffling and country limits are kept but not enforced"}
