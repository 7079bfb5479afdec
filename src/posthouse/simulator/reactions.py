"""Reactions to messages: which there are, and which bots are told that one changed.

In a private chat, and in a group that it administrates, a bot that asked for it is told of every change
(`message_reaction`). In a channel nobody learns whose reactions they are; there the bot is told how many there
are (`message_reaction_count`). What bots put on a message is not reported.
"""

from __future__ import annotations

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Message, Person
from posthouse.simulator.town import Town

_ROWS = (
    "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴",
    "😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻",
    "👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊",
    "🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡",
)
EMOJI = frozenset(" ".join(_ROWS).split())
_VARIATION = "\ufe0f"


def known_emoji(written: str) -> str | None:
    """The emoji as the server keeps it, or None when it is no reaction."""
    emoji = written.replace(_VARIATION, "")
    return emoji if emoji in EMOJI else None


def counts(message: Message) -> list[Wire]:
    """How many people and bots put each reaction on it, in the order of their coming."""
    seen: list[Wire] = []
    for reactions in message.reactions.values():
        for reaction in reactions:
            counted = next((count for count in seen if count["type"] == reaction), None)
            if counted is None:
                seen.append({"type": reaction, "total_count": 1})
            else:
                counted["total_count"] += 1
    return seen


def react(town: Town, message: Message, who: Bot | Person, reactions: list[Wire]) -> None:
    """Let these be somebody's reactions to a message, and tell the bots that may know."""
    before = message.reactions.get(who.id, [])
    if before == reactions:
        return
    if reactions:
        message.reactions[who.id] = reactions
    else:
        del message.reactions[who.id]
    chat = message.chat
    message.cursor = town.journal.record(
        "bot.reacted" if isinstance(who, Bot) else "person.reacted",
        bot_id=who.id if isinstance(who, Bot) else chat.bot.id if chat.is_private else None,
        chat=chat.ref,
        person_id=who.id if isinstance(who, Person) else None,
        message_id=message.id,
        text=" ".join(str(reaction.get("emoji", reaction["type"])) for reaction in reactions),
    )
    if isinstance(who, Person):
        _tell(town, message, who, before, reactions)


def _tell(town: Town, message: Message, person: Person, before: list[Wire], after: list[Wire]) -> None:
    chat = message.chat
    about: Wire = {"chat": chat.wire(), "message_id": message.id, "date": int(town.now())}
    for bot in chat.bots.values():
        if not chat.is_private and bot.id not in chat.admins:
            continue
        if chat.is_channel:
            town.announce(bot, "message_reaction_count", {**about, "reactions": counts(message)}, chat.id)
        else:
            change = {"user": person.wire(), "old_reaction": before, "new_reaction": after}
            town.announce(bot, "message_reaction", {**about, **change}, chat.id)
