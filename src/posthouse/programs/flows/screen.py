"""Screens: what a person sees of a session, in one message that is edited in place.

    source of the event        the screen appears
    a press                    in the message that was pressed (C0-6), unless that is another session's
    a message of the person    in a new message below it; the old one loses its keyboard
    a finished job, a timer    in the session's message

A session has one active UI message (S0-8). Until a press tells its Telegram id it is named by the handle under which
it was sent. A screen with a photo and one without cannot turn into each other by an edit: then the old message goes,
and a new one comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import SessionRecord
from posthouse.programs.actions import File
from posthouse.programs.flows.table import NOOP, Table
from posthouse.programs.turn import Turn
from posthouse.telegram.callback_data import pack, parse

# What is remembered of the message in `ui_handle`: its kind, its handle, and whether it has buttons that may go stale.
_TEXT, _PHOTO = "s", "p"
_BUTTONS = "+"


class Button(msgspec.Struct, frozen=True):
    """An inline button that makes `event` happen; `value` is `session.value` then. Without an event it does nothing."""

    text: str
    event: str = NOOP
    value: str = ""
    url: str = ""


Keyboard = Sequence[Sequence[Button]]


class Screen(msgspec.Struct, frozen=True):
    """A text, a keyboard, perhaps a photo (`File`, `file_id` or URL). `fresh` sends it anew instead of editing.

    `more` has further parameters of the method, such as `parse_mode`.
    """

    text: str
    buttons: Keyboard = ()
    photo: File | str | None = None
    fresh: bool = False
    more: Mapping[str, Any] = msgspec.field(default_factory=dict)


def markup(buttons: Keyboard, table: Table, record: SessionRecord) -> dict[str, Any]:
    """The inline keyboard of a screen; each button names session and revision. Raises `AuthorError`."""
    return {"inline_keyboard": [[_button(button, table, record) for button in row] for row in buttons]}


def _button(button: Button, table: Table, record: SessionRecord) -> dict[str, str]:
    if button.url:
        return {"text": button.text, "url": button.url}
    if button.event != NOOP and button.event not in table.pressed:
        raise AuthorError(
            f"flow {table.name!r}, state {record.state}: the button {button.text!r} asks for the event"
            f" {button.event!r}, which no button makes; its table has {', '.join(table.pressed)}"
        )
    action = NOOP if button.event == NOOP else table.action(button.event)
    return {"text": button.text, "callback_data": pack(action, button.value, record.id, record.rev)}


def pressed_message(turn: Turn) -> tuple[int, int] | None:
    """(chat id, message id) of the message whose button was pressed."""
    press = turn.update.get("callback_query")
    message = press.get("message") if press else None
    return (message["chat"]["id"], message["message_id"]) if message else None


def is_pressed(turn: Turn, record: SessionRecord) -> bool | None:
    """Whether the message that was pressed is the session's own; None when nobody can tell.

    As long as only the handle is known, the revision tells: a button that is older than the message is on another one.
    """
    pressed = pressed_message(turn)
    if pressed is None:
        return False
    if record.ui_message_id is not None:
        return (record.ui_chat_id, record.ui_message_id) == pressed
    rev = parse(turn.update["callback_query"].get("data") or "").rev
    sent_at_rev = (record.ui_handle or "").removesuffix(_BUTTONS).rpartition(":")[2]
    return rev >= int(sent_at_rev) if rev is not None and sent_at_rev.isdecimal() else None


def _is_others(press: dict[str, Any], record: SessionRecord) -> bool:
    """Whether the button that was pressed is another session's: then its message is not this one's to take."""
    return parse(press.get("data") or "").session_id not in (None, record.id)


def show(turn: Turn, record: SessionRecord, screen: Screen, table: Table, *, in_place: bool = False) -> SessionRecord:
    """Put a screen before the person; returns the session with the message where it is now.

    `in_place` edits the session's own message, wherever the event came from.
    """
    pressed = None
    if not in_place and turn.entry.is_update:
        press = turn.update.get("callback_query")
        pressed = None if press is None or _is_others(press, record) else pressed_message(turn)
        if pressed is None:  # a message of the person, or a button that is not to be drawn over
            clear_keyboard(turn, record)
            return _send(turn, record, screen, table)
    if pressed is not None:
        is_ui = is_pressed(turn, record)
        if not is_ui:
            clear_keyboard(turn, record)
        kind = _PHOTO if "photo" in turn.update["callback_query"]["message"] else _TEXT
        handle = record.ui_handle if is_ui and (record.ui_handle or "")[:1] == kind else None
        handle = handle or f"{kind}:{record.id}{_BUTTONS}"
        record = msgspec.structs.replace(record, ui_chat_id=pressed[0], ui_message_id=pressed[1], ui_handle=handle)
    if record.ui_handle is None and record.ui_message_id is None:
        return _send(turn, record, screen, table)
    kind = (record.ui_handle or _TEXT)[:1]
    if screen.fresh and not in_place:
        clear_keyboard(turn, record)
        return _send(turn, record, screen, table)
    if kind != (_TEXT if screen.photo is None else _PHOTO):
        turn.delete(_message(record), chat_id=_chat(turn, record))
        return _send(turn, record, screen, table)
    _edit(turn, record, screen, table)
    return msgspec.structs.replace(record, ui_handle=_marked(record.ui_handle or _TEXT, screen))


def clear_keyboard(turn: Turn, record: SessionRecord) -> None:
    """Take the buttons, where there are some, from the session's message: they are of a revision that is over."""
    if record.ui_handle is not None and record.ui_handle.endswith(_BUTTONS):
        turn.edit_markup(_message(record), chat_id=_chat(turn, record))


def clear_pressed(turn: Turn) -> None:
    """Take the buttons from the message that was pressed."""
    pressed = pressed_message(turn)
    if pressed is not None:
        turn.edit_markup(pressed[1], chat_id=pressed[0])


def _message(record: SessionRecord) -> int | str:
    if record.ui_message_id is not None:
        return record.ui_message_id
    return (record.ui_handle or "").removesuffix(_BUTTONS)


def _marked(handle: str, screen: Screen) -> str:
    """The handle, with the mark of a screen that has buttons."""
    return handle.removesuffix(_BUTTONS) + (_BUTTONS if screen.buttons else "")


def _chat(turn: Turn, record: SessionRecord) -> int | None:
    return record.ui_chat_id if record.ui_chat_id is not None else turn.chat_id


def _send(turn: Turn, record: SessionRecord, screen: Screen, table: Table) -> SessionRecord:
    kind = _TEXT if screen.photo is None else _PHOTO
    handle = f"{kind}:{record.id}:{record.rev}"
    keyboard = markup(screen.buttons, table, record) if screen.buttons else None
    more: Mapping[str, Any] = screen.more
    if thread_id := record.owner.thread_id or turn.thread_id:
        more = {"message_thread_id": thread_id, **more}
    if screen.photo is None:
        turn.say(screen.text, handle=handle, reply_markup=keyboard, **more)
    else:
        turn.photo(screen.photo, caption=screen.text, handle=handle, reply_markup=keyboard, **more)
    return msgspec.structs.replace(
        record, ui_chat_id=turn.chat_id, ui_message_id=None, ui_handle=_marked(handle, screen)
    )


def _edit(turn: Turn, record: SessionRecord, screen: Screen, table: Table) -> None:
    keyboard = markup(screen.buttons, table, record) if screen.buttons else None
    # What the person has deleted is sent anew: the session goes on there (C0-6).
    where: dict[str, Any] = {
        "chat_id": _chat(turn, record),
        "or_send": True,
        "thread_id": record.owner.thread_id or turn.thread_id,
    }
    if screen.photo is None:
        turn.edit(_message(record), screen.text, reply_markup=keyboard, **where, **screen.more)
    else:
        turn.edit_photo(
            _message(record), screen.photo, caption=screen.text, reply_markup=keyboard, **where, **screen.more
        )
