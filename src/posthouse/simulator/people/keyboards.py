"""Pressing a button of one's reply keyboard: it writes its text, or shares what it asks for."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.keyboards import Button
from posthouse.simulator.media import Fact
from posthouse.simulator.moments import PersonKeyboard, keyboard_of
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing, deliver, say
from posthouse.simulator.town import Town

HERE = {"latitude": 52.520008, "longitude": 13.404954}
"""Where people are when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What a person chooses to share when a button asks for it."""

    location: Wire | None = None
    users: tuple[Bot | Person, ...] = ()
    chat: Chat | None = None


def press_key(town: Town, person: Person, chat: Chat, text: str, shared: Shared) -> Message:
    """Press the button of that text; a keyboard for one time hides."""
    check_writing(person, chat)
    keyboard = keyboard_of(chat, person.id)
    if keyboard is None:
        raise Impossible(f"{person.first_name} has no keyboard in this chat")
    button = _find(keyboard, text)
    message = _perform(town, person, keyboard.message, button, shared)
    keyboard.used = True
    return message


def _find(keyboard: PersonKeyboard, text: str) -> Button:
    buttons = [button for row in (keyboard.message.keyboard or {})["keyboard"] for button in row]
    for button in buttons:
        if button["text"] == text:
            return dict(button)
    raise Impossible(f"no key {text!r} on the keyboard; keys: {[button['text'] for button in buttons]}")


def _perform(town: Town, person: Person, asked: Message, button: Button, shared: Shared) -> Message:
    """Answer the bot with what this button sends."""
    chat = asked.chat
    message = Message(0, chat, person, int(town.now()), reply_to=asked)
    if "request_contact" in button:
        message.media = Fact("contact", _contact(person))
    elif "request_location" in button:
        message.media = Fact("location", dict(shared.location or HERE))
    elif "request_users" in button or "request_user" in button:
        message.service = _users_shared(button.get("request_users") or button["request_user"], shared)
    elif "request_chat" in button:
        message.service = _chat_shared(button["request_chat"], shared)
    elif len(button.keys() - {"text", "style", "icon_custom_emoji_id"}):
        raise Impossible(f"the key {button['text']!r} opens something else: {sorted(button)}")
    else:
        return say(town, person, chat, button["text"], reply_to=None if chat.is_private else asked)
    deliver(town, message)
    return message


def _contact(person: Person) -> Wire:
    contact: Wire = {"phone_number": phone_number(person), "first_name": person.first_name}
    if person.last_name:
        contact["last_name"] = person.last_name
    return {**contact, "user_id": person.id}


def phone_number(person: Person) -> str:
    """Everybody has one, and it is nobody's."""
    return f"1555{person.id % 10**7:07}"


def _users_shared(request: Wire, shared: Shared) -> Wire:
    most = int(request.get("max_quantity", 1))
    if not 1 <= len(shared.users) <= most:
        raise Impossible(f"the bot asks for 1 to {most} users, not for {len(shared.users)}")
    users = []
    for user in shared.users:
        about: Wire = {"user_id": user.id}
        if request.get("request_name"):
            about["first_name"] = user.first_name
        if request.get("request_username") and user.username:
            about["username"] = user.username
        users.append(about)
    return {"users_shared": {"request_id": request["request_id"], "users": users}}


def _chat_shared(request: Wire, shared: Shared) -> Wire:
    if shared.chat is None or shared.chat.is_private:
        raise Impossible("the bot asks for a group or a channel")
    if shared.chat.is_channel is not bool(request["chat_is_channel"]):
        raise Impossible(f"the bot does not ask for a {shared.chat.kind}")
    about: Wire = {"request_id": request["request_id"], "chat_id": shared.chat.id}
    if request.get("request_title"):
        about["title"] = shared.chat.title
    if request.get("request_username") and shared.chat.username:
        about["username"] = shared.chat.username
    return {"chat_shared": about}
