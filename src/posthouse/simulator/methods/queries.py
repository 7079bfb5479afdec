"""Answering what people ask, beginning with pressed buttons. Only the first answer counts."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.refusals import bad_request, query_too_old
from posthouse.simulator.town import Query

CALLBACK_TEXT_CHARACTERS_MAX = 200


def answer_callback_query(call: Call) -> bool:
    text = call.parameters.text("text")
    if len(text) > CALLBACK_TEXT_CHARACTERS_MAX:
        raise bad_request("MESSAGE_TOO_LONG")
    query = open_query(call, "callback_query", "callback_query_id")
    answer(
        call,
        query,
        {"text": text, "show_alert": call.parameters.flag("show_alert"), "url": call.parameters.text("url")},
    )
    return TRUE


def open_query(call: Call, kind: str, parameter: str) -> Query:
    """The query if it is this bot's, unanswered and not too old; or raise Refusal."""
    query = call.world.town.queries.get(call.parameters.text(parameter))
    if query is None or query.kind != kind or query.bot is not call.bot:
        raise query_too_old()
    if query.answer is not None or call.now > query.deadline:
        raise query_too_old()
    return query


def answer(call: Call, query: Query, given: Wire) -> None:
    """Keep the answer and tell those who wait for it."""
    query.answer = given
    call.world.journal.record(
        "bot.answered",
        bot_id=call.bot.id,
        chat=query.chat.ref if query.chat else None,
        person_id=query.person.id,
        text=str(given.get("text") or given.get("error_message") or ""),
        query_id=query.id,
        query=query.kind,
        answer=given,
    )


METHODS: Methods = {
    "answerCallbackQuery": answer_callback_query,
}
