"""Asking a bot from any chat, and sending what it offers: inline mode."""

from __future__ import annotations

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.inline import InlineAnswer, InlineResult, PreparedMessage
from posthouse.simulator.media import Media
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing, deliver
from posthouse.simulator.town import Query, Town

INLINE_DEADLINE_S = 20.0
TEXT_CHARACTERS_MAX = 256


def ask_inline(town: Town, person: Person, bot: Bot, text: str, *, chat: Chat | None = None, offset: str = "") -> Query:
    """Type `@bot text` in some chat. The bot answers with results, or an answer that is still fresh is shown."""
    if len(text) > TEXT_CHARACTERS_MAX:
        raise Impossible(f"an inline query has at most {TEXT_CHARACTERS_MAX} characters")
    query = town.open_query("inline_query", bot, person, lifetime_s=INLINE_DEADLINE_S, chat=chat)
    query.payload = {"id": query.id, "from": person.wire(), "query": text, "offset": offset}
    if chat is not None:
        query.payload["chat_type"] = _chat_type(chat, bot)
    cached = town.inline.cached(bot, person, text, offset, town.now())
    town.journal.record(
        "person.asked",
        bot_id=bot.id,
        chat=None if chat is None else chat.ref,
        person_id=person.id,
        text=text,
        query_id=query.id,
        cached=cached is not None,
    )
    if cached is not None:
        town.inline.keep(query.id, cached)
        query.answer = cached.wire()
    else:
        town.announce(bot, "inline_query", query.payload, person.id)
    return query


def result_of(town: Town, query: Query, result_id: str | None) -> InlineResult:
    """The result of that id, without one the first; or raise Impossible."""
    answer = answer_of(town, query)
    if result_id is None and answer.results:
        return next(iter(answer.results.values()))
    result = answer.results.get(result_id or "")
    if result is None:
        raise Impossible(f"no result {result_id!r}; the bot offers {list(answer.results)}")
    return result


def answer_of(town: Town, query: Query) -> InlineAnswer:
    """What the bot answered to an inline query, or raise Impossible."""
    answer = town.inline.answers.get(query.id)
    if answer is None:
        raise Impossible("the bot has not answered this inline query")
    return answer


def choose(
    town: Town, query: Query, result: InlineResult, media: Media | None, chat: Chat, *, reply_to: Message | None = None
) -> Message:
    """Send a result into the chat; the bot hears which one it was."""
    message = send(town, query.person, chat, query.bot, result, media, reply_to=reply_to)
    chosen: Wire = {"result_id": result.id, "from": query.person.wire(), "query": query.payload["query"]}
    if message.inline_id:
        chosen["inline_message_id"] = message.inline_id
    town.announce(query.bot, "chosen_inline_result", chosen, query.person.id)
    return message


def send(
    town: Town,
    person: Person,
    chat: Chat,
    bot: Bot,
    result: InlineResult,
    media: Media | None,
    *,
    reply_to: Message | None = None,
) -> Message:
    """A person's message whose content is a bot's."""
    check_writing(person, chat)
    message = Message(
        0,
        chat,
        person,
        int(town.now()),
        result.text,
        result.entities,
        media,
        inline=result.inline,
        reply_to=reply_to,
        via_bot=bot,
    )
    if result.inline:
        message.inline_id = town.payments.new_id()
        town.inline.keep_message(message)
    deliver(town, message)
    return message


def share(town: Town, prepared: PreparedMessage, media: Media | None, chat: Chat) -> Message:
    """Send a prepared message from a Mini App."""
    if town.now() >= prepared.expires_at:
        raise Impossible("the prepared message has expired")
    kind = "bot" if chat.is_private else "channel" if chat.kind == "channel" else "group"
    if kind not in prepared.kinds:
        raise Impossible(f"the prepared message may go to {sorted(prepared.kinds)}, not to a {kind} chat")
    return send(town, prepared.person, chat, prepared.bot, prepared.result, media)


def _chat_type(chat: Chat, bot: Bot) -> str:
    if not chat.is_private:
        return chat.kind
    return "sender" if chat.bot is bot else "private"
