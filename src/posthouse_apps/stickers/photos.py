"""A person's photo: how it comes, and that the chat remembers the last one for every flow.

A `file_id` is of one bot (C0-20), and so is the memory of a chat.
"""

from __future__ import annotations

from typing import Any

from posthouse import Session, Turn

PHOTO = "photo"  # in the session's data and in the chat's memory: a file_id


async def take_photo(turn: Turn, session: Session) -> None:
    """Remember the photo of this message, for this session and for those to come."""
    session.data[PHOTO] = turn.session[PHOTO] = photo_in(turn)


def forget_photo(turn: Turn, session: Session) -> None:
    """The photo cannot be used: nothing is to be made of it any more."""
    session.data[PHOTO] = None
    turn.session.pop(PHOTO, None)


def photo_in(turn: Turn) -> str:
    """The file_id of the largest size of a photo, or of a picture that was sent as a file."""
    message: dict[str, Any] = turn.update["message"]
    picture = message["photo"][-1] if "photo" in message else message["document"]
    return str(picture["file_id"])


def last_photo(turn: Turn) -> str | None:
    """What this chat sent last."""
    return turn.session.get(PHOTO)
