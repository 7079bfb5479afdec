"""Inline mode: answering queries, and messages that a Mini App sends or lets its person send."""

from __future__ import annotations

import re

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.inline import PREPARED_FOR_S, InlineAnswer, PreparedMessage
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.inline_results import media_of, read_result
from posthouse.simulator.methods.queries import answer, open_query
from posthouse.simulator.people import inline
from posthouse.simulator.refusals import bad_request, query_too_old

RESULTS_MAX = 50
CACHE_S_DEFAULT = 300
OFFSET_BYTES_MAX = 64
CACHE_S_MAX = 86_400 * 365
_START_PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHATS = {
    "allow_user_chats": "user",
    "allow_bot_chats": "bot",
    "allow_group_chats": "group",
    "allow_channel_chats": "channel",
}


def answer_inline_query(call: Call) -> bool:
    given = _answer(call)
    query = open_query(call, "inline_query", "inline_query_id")
    mode = call.world.town.inline
    mode.keep(query.id, given)
    if given.cached_until > call.now:
        owner = query.person.id if call.parameters.flag("is_personal") else 0
        mode.keep_for_next((call.bot.id, query.payload["query"], query.payload["offset"], owner), given)
    answer(call, query, given.wire())
    return TRUE


async def answer_web_app_query(call: Call) -> Wire:
    """Send a message for the person who has the Mini App open, into the chat it was opened from."""
    query_id = call.parameters.text("web_app_query_id")
    if not query_id:
        raise bad_request('parameter "web_app_query_id" is required')
    result = read_result(call, _object(call, "result", "inline query result"))
    query = call.world.town.queries.get(query_id)
    if query is None or query.kind != "web_app" or query.bot is not call.bot:
        raise query_too_old()
    if query.answer is not None or call.now > query.deadline or query.chat is None:
        raise query_too_old()
    media = await media_of(call, result)
    message = inline.send(call.world.town, query.person, query.chat, call.bot, result, media)
    answer(call, query, {"message": message.id})
    return {"inline_message_id": message.inline_id} if message.inline_id else {}


def save_prepared_inline_message(call: Call) -> Wire:
    """Keep a message that the person may send from a Mini App, once per choice of a chat."""
    person = call.world.town.people.get(call.parameters.integer("user_id"))
    if person is None:
        raise bad_request("user not found")
    result = read_result(call, _object(call, "result", "inline query result"))
    kinds = frozenset(kind for name, kind in _CHATS.items() if call.parameters.flag(name))
    if not kinds:
        raise bad_request("at least one chat type must be allowed")
    prepared = PreparedMessage(
        call.world.town.payments.new_id(size_bytes=12),
        call.bot,
        person,
        result,
        call.now + PREPARED_FOR_S,
        kinds,
    )
    call.world.town.inline.prepare(prepared)
    return {"id": prepared.id, "expiration_date": int(prepared.expires_at)}


def _answer(call: Call) -> InlineAnswer:
    """The answer as the arguments describe it, or raise Refusal."""
    values = _results(call)
    if len(values) > RESULTS_MAX:
        raise bad_request("too many inline query results specified")
    results = [read_result(call, value) for value in values]
    by_id = {result.id: result for result in results}
    if len(by_id) < len(results):
        raise bad_request("RESULT_ID_DUPLICATE")
    next_offset = call.parameters.text("next_offset")
    if len(next_offset.encode()) > OFFSET_BYTES_MAX:
        raise bad_request("NEXT_OFFSET_INVALID")
    cache_s = call.parameters.integer("cache_time", default=CACHE_S_DEFAULT, low=0, high=CACHE_S_MAX)
    return InlineAnswer(by_id, next_offset, _button(call), call.now + cache_s)


def _results(call: Call) -> list[object]:
    try:
        values = call.parameters.json("results")
    except msgspec.DecodeError as error:
        raise bad_request(f"can't parse JSON encoded inline query results: {error}") from None
    if values is None:
        return []
    if not isinstance(values, list):
        raise bad_request("expected an Array of inline query results")
    return values


def _button(call: Call) -> Wire | None:
    button = _object(call, "button", "inline query results button")
    if button is None:
        text, parameter = call.parameters.text("switch_pm_text"), call.parameters.text("switch_pm_parameter")
        if not text:
            return None
        button = {"text": text, "start_parameter": parameter}
    if not isinstance(button, dict):
        raise bad_request("InlineQueryResultsButton must be an Object")
    if not button.get("text"):
        raise bad_request("SWITCH_PM_TEXT_EMPTY")
    if "start_parameter" in button:
        _check_start_parameter(str(button["start_parameter"]))
        return {"text": str(button["text"]), "start_parameter": str(button["start_parameter"])}
    if not isinstance(button.get("web_app"), dict) or not str(button["web_app"].get("url", "")).startswith("https://"):
        raise bad_request("BUTTON_URL_INVALID")
    return {"text": str(button["text"]), "web_app": {"url": str(button["web_app"]["url"])}}


def _check_start_parameter(parameter: str) -> None:
    if not parameter:
        raise bad_request("START_PARAM_EMPTY")
    if not _START_PARAMETER.fullmatch(parameter):
        raise bad_request("START_PARAM_INVALID")


def _object(call: Call, name: str, words: str) -> object:
    try:
        return call.parameters.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {words} JSON object") from None


METHODS: Methods = {
    "answerInlineQuery": answer_inline_query,
    "answerWebAppQuery": answer_web_app_query,
    "savePreparedInlineMessage": save_prepared_inline_message,
}
