"""Sending pictures, files, places, cards and dice, and moving a live location."""

from __future__ import annotations

from dataclasses import replace

from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.formatting import automatic
from posthouse.simulator.hearing import hearers
from posthouse.simulator.media import DICE, Fact, FileMedia, Media, dice
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing, deliver, journal
from posthouse.simulator.town import Town

ALBUM_MAX = 10
_LIVE = ("live_period", "heading", "proximity_alert_radius")


def send(
    town: Town,
    person: Person,
    chat: Chat,
    media: Media,
    *,
    caption: str = "",
    reply_to: Message | None = None,
    thread_id: int = 0,
    album_id: str = "",
) -> Message:
    """Send one piece of media, into a topic if one is given. In a private chat this also starts the bot."""
    check_writing(person, chat)
    text = caption.strip()
    message = Message(0, chat, person, int(town.now()), text, automatic(text), media, album_id, reply_to=reply_to)
    message.thread_id = thread_id
    deliver(town, message)
    return message


def send_album(
    town: Town,
    person: Person,
    chat: Chat,
    media: list[FileMedia],
    *,
    caption: str = "",
    reply_to: Message | None = None,
    thread_id: int = 0,
) -> list[Message]:
    """Send files as one album: a message each, with the caption under the first."""
    if not 2 <= len(media) <= ALBUM_MAX:
        raise Impossible(f"an album has 2 to {ALBUM_MAX} items, not {len(media)}")
    kinds = {one.kind for one in media}
    if kinds - {"photo", "video"} and len(kinds) > 1:
        raise Impossible(f"{' and '.join(sorted(kinds))} do not go into one album")
    if kinds - {"photo", "video", "document", "audio"}:
        raise Impossible(f"{kinds.pop()} does not go into an album")
    album_id = str(town.dice.randint(10**16, 10**17 - 1))
    return [
        send(
            town,
            person,
            chat,
            one,
            caption="" if at else caption,
            reply_to=reply_to,
            thread_id=thread_id,
            album_id=album_id,
        )
        for at, one in enumerate(media)
    ]


def throw(town: Town, person: Person, chat: Chat, emoji: str, *, thread_id: int = 0) -> Message:
    """Send a dice; its value is chance."""
    thrown = dice(emoji, town.dice)
    if thrown is None:
        raise Impossible(f"there is no dice {emoji!r}; there are {' '.join(DICE)}")
    return send(town, person, chat, thrown, thread_id=thread_id)


def move(town: Town, person: Person, message: Message, latitude: float, longitude: float) -> None:
    """Change where one's live location is."""
    place = _live(town, person, message)
    _replace(town, message, replace(place, value={**place.value, "latitude": latitude, "longitude": longitude}))


def stop_moving(town: Town, person: Person, message: Message) -> None:
    """End one's live location where it is."""
    place = _live(town, person, message)
    kept = {name: value for name, value in place.value.items() if name not in _LIVE}
    _replace(town, message, replace(place, value=kept))


def _live(town: Town, person: Person, message: Message) -> Fact:
    if message.sender is not person or message.deleted:
        raise Impossible(f"message {message.id} is not {person.first_name}'s to move")
    place = message.media
    if not isinstance(place, Fact) or "live_period" not in place.value:
        raise Impossible(f"message {message.id} is not a live location")
    if town.now() > message.date + place.value["live_period"]:
        raise Impossible("the live location is over")
    return place


def _replace(town: Town, message: Message, place: Fact) -> None:
    message.media = place
    message.edit_date = int(town.now())
    message.cursor = journal(town, "person.edited", message)
    for bot in hearers(message):
        town.announce(bot, message.edit_kind, message.wire(bot), message.chat.id)
