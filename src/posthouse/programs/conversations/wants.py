"""What a question wants: each kind knows which messages are for it, how to read them, and what is wrong with them.

    text(length_max=100)                 a text that is no command
    number(min=1, max=99)                `5`, `5.5` or `5,5`; whole numbers unless `whole=False`
    date()                               2026-11-28, 28.11.2026, 28.11., today, tomorrow, yesterday
    choice({"yes": "Save", "no": "No"})  buttons; the label typed is as good
    photo() document() contact() location()

Every want takes `parse=` (what is read becomes something else; raising `ValueError` says what is wrong) and `check=`
(returns a text when it is not good enough, else None).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.programs.turn import Turn

MESSAGE_KINDS = ("text", "photo", "document", "contact", "location", "voice", "audio", "video", "sticker")
BUTTON = "button"


class Photo(msgspec.Struct, frozen=True):
    """A photo of a person, the largest size of it. `file_id` is the bot's own name for it."""

    file_id: str
    file_unique_id: str
    width: int
    height: int
    caption: str = ""


class Document(msgspec.Struct, frozen=True):
    """A file of a person."""

    file_id: str
    file_unique_id: str
    file_name: str = ""
    mime_type: str = ""
    file_size: int = 0


class Contact(msgspec.Struct, frozen=True):
    """A contact that a person shared; `user_id` tells whether it is their own."""

    phone_number: str
    first_name: str
    last_name: str = ""
    user_id: int | None = None


class Location(msgspec.Struct, frozen=True):
    """A place that a person shared, in degrees."""

    latitude: float
    longitude: float


class Unfit(Exception):
    """An answer is not what was asked for; the text is for the person (empty: the question's own retry text)."""


Parse = Callable[[Any], Any]
Check = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Want:
    """One kind of answer. `kinds` are the messages (or buttons) that are for it; `read` takes the value from one."""

    name: str
    kinds: tuple[str, ...]
    read: Callable[[Turn, str | None], Any]
    restore: Callable[[Any], Any] = field(default=lambda value: value)
    options: Mapping[str, str] = field(default_factory=dict)
    columns: int = 1
    keyboard: Callable[[str], dict[str, Any]] | None = None
    parse: Parse | None = None
    check: Check | None = None

    def accept(self, turn: Turn, pressed: str | None) -> tuple[Any, Any]:
        """(what is kept, what the author gets). Raises `Unfit`."""
        kept = self.read(turn, pressed)
        if self.check is not None and (problem := self.check(self.restore(kept))):
            raise Unfit(problem)
        return kept, self.finish(kept)

    def finish(self, kept: Any) -> Any:
        """What the author gets for what was kept, now or in a replay. Raises `Unfit`.

        An answer is checked once, when it comes: what it is checked against (a free name, a date to come) may be
        different by the time of a replay.
        """
        value = self.restore(kept)
        if self.parse is None:
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            raise Unfit(str(error)) from None


def text(
    *,
    length_max: int = 4096,
    pattern: str | re.Pattern[str] | None = None,
    parse: Parse | None = None,
    check: Check | None = None,
) -> Want:
    """A text of at most `length_max` characters that is no command, and that `pattern` matches as a whole."""
    wanted = re.compile(pattern) if isinstance(pattern, str) else pattern

    def read(turn: Turn, pressed: str | None) -> str:
        written = _text(turn)
        if len(written) > length_max or (wanted is not None and wanted.fullmatch(written) is None):
            raise Unfit
        return written

    return Want("text", ("text",), read, parse=parse, check=check)


def number(
    *,
    min: float | None = None,
    max: float | None = None,
    whole: bool = True,
    parse: Parse | None = None,
    check: Check | None = None,
) -> Want:
    """A number between `min` and `max`; an int, or with `whole=False` a float."""

    def read(turn: Turn, pressed: str | None) -> int | float:
        written = _text(turn).replace("\u00a0", "").replace(" ", "").replace(",", ".")
        if re.fullmatch(r"[+-]?\d{1,15}" if whole else r"[+-]?\d{1,15}(\.\d{1,9})?", written, re.ASCII) is None:
            raise Unfit
        value = int(written) if whole else float(written)
        if (min is not None and value < min) or (max is not None and value > max):
            raise Unfit
        return value

    return Want("number", ("text",), read, parse=parse, check=check)


_DAYS = {
    "today": 0, "сегодня": 0, "tomorrow": 1, "завтра": 1, "yesterday": -1, "вчера": -1,
}  # fmt: skip


def date(
    *,
    min: Date | None = None,
    max: Date | None = None,
    utc_offset: timedelta = timedelta(0),
    parse: Parse | None = None,
    check: Check | None = None,
) -> Want:
    """A day: ISO, day.month.year, day.month (of the year around now), or a word. `utc_offset` says where today ends."""

    def read(turn: Turn, pressed: str | None) -> str:
        today = datetime.fromtimestamp(turn.moment, timezone(utc_offset)).date()
        day = read_date(_text(turn), today)
        if day is None or (min is not None and day < min) or (max is not None and day > max):
            raise Unfit
        return day.isoformat()

    return Want("date", ("text",), read, Date.fromisoformat, parse=parse, check=check)


def read_date(written: str, today: Date) -> Date | None:
    """The day that a person means, or None. A day without a year is the nearest such day."""
    word = written.strip().lower().rstrip(".")
    if word in _DAYS:
        return today + timedelta(days=_DAYS[word])
    found = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", word)
    if found:
        return _day(int(found[1]), int(found[2]), int(found[3]))
    found = re.fullmatch(r"(\d{1,2})[./](\d{1,2})(?:[./](\d{4}|\d{2}))?", word)
    if found is None:
        return None
    day, month = int(found[1]), int(found[2])
    if found[3]:
        return _day(int(found[3]) + (2000 if len(found[3]) == 2 else 0), month, day)
    years = range(today.year - 8, today.year + 9)  # 29 February may be that far away, around 1900 and 2100
    near = [near for year in years if (near := _day(year, month, day))]
    return min_by_distance(near, today)


def min_by_distance(days: Sequence[Date], today: Date) -> Date | None:
    """The day nearest to today, or None when there is none."""
    return min(days, key=lambda day: abs(day - today), default=None)


def _day(year: int, month: int, day: int) -> Date | None:
    try:
        return Date(year, month, day)
    except ValueError:
        return None


def choice(
    options: Mapping[str, str] | Sequence[str],
    *,
    columns: int = 1,
    parse: Parse | None = None,
    check: Check | None = None,
) -> Want:
    """One of these, as buttons in `columns`: `value → label`, or labels that are their own values. Typed labels fit."""
    table = dict(options) if isinstance(options, Mapping) else {label: label for label in options}
    if not table:
        raise AuthorError("choice() needs at least one option")
    places = list(table)

    def read(turn: Turn, pressed: str | None) -> str:
        if pressed is not None:
            if pressed.isdecimal() and int(pressed) < len(places):
                return places[int(pressed)]
            raise Unfit
        written = _text(turn).casefold()
        for known in (table.items(), zip(table, table, strict=True)):  # labels first: they are what people see
            for value, label in known:
                if written == label.casefold():
                    return value
        raise Unfit

    return Want("choice", (BUTTON, "text"), read, options=table, columns=columns, parse=parse, check=check)


def photo(*, parse: Parse | None = None, check: Check | None = None) -> Want:
    """A photo; the author gets a `Photo`."""

    def read(turn: Turn, pressed: str | None) -> dict[str, Any]:
        message = _message(turn)
        largest = max(message["photo"], key=lambda size: size["width"] * size["height"])
        found = Photo(
            largest["file_id"], largest["file_unique_id"], largest["width"], largest["height"],
            message.get("caption", ""),
        )  # fmt: skip
        return msgspec.to_builtins(found)  # type: ignore[no-any-return]

    return Want("photo", ("photo",), read, _as(Photo), parse=parse, check=check)


def document(*, parse: Parse | None = None, check: Check | None = None) -> Want:
    """A file; the author gets a `Document`."""
    return Want("document", ("document",), _field("document"), _as(Document), parse=parse, check=check)


def contact(*, button: str = "", parse: Parse | None = None, check: Check | None = None) -> Want:
    """A contact; with a `button` text there is one that shares the person's own. The author gets a `Contact`."""
    keyboard = _request("request_contact", button)
    return Want("contact", ("contact",), _field("contact"), _as(Contact), keyboard=keyboard, parse=parse, check=check)


def location(*, button: str = "", parse: Parse | None = None, check: Check | None = None) -> Want:
    """A place; with a `button` text there is one that shares the person's own. The author gets a `Location`."""
    keyboard = _request("request_location", button)
    return Want(
        "location", ("location",), _field("location"), _as(Location), keyboard=keyboard, parse=parse, check=check
    )


def any_of(wants: Mapping[str, Want]) -> Want:
    """Whichever comes first: (name, value). Buttons of one choice among them are shown."""
    choices = [want for want in wants.values() if want.options]
    if len(choices) > 1:
        raise AuthorError("ask_any() takes at most one choice(): a question has one keyboard")

    def read(turn: Turn, pressed: str | None) -> list[Any]:
        kind = BUTTON if pressed is not None else kind_of(turn)
        reasons: list[Unfit] = []
        for name, want in wants.items():
            if kind in want.kinds:
                try:
                    return [name, want.accept(turn, pressed)[0]]
                except Unfit as unfit:
                    reasons.append(unfit)
        raise reasons[0] if len(reasons) == 1 else Unfit

    kinds = tuple(dict.fromkeys(kind for want in wants.values() for kind in want.kinds))
    keyboard = next((want.keyboard for want in wants.values() if want.keyboard is not None), None)
    return Want(
        "any:" + ",".join(wants),
        kinds,
        read,
        lambda kept: (kept[0], wants[kept[0]].finish(kept[1])),
        options=choices[0].options if choices else {},
        columns=choices[0].columns if choices else 1,
        keyboard=keyboard,
    )


def kind_of(turn: Turn) -> str:
    """What is in a message: `text`, `photo`, …; empty for what no question can want (a command, a service message)."""
    message = turn.update.get("message") or {}
    if "text" in message:
        return "" if message["text"].startswith("/") else "text"
    return next((kind for kind in MESSAGE_KINDS if kind in message), "")


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = turn.update["message"]
    return message


def _text(turn: Turn) -> str:
    return str((turn.update.get("message") or {}).get("text", "")).strip()


def _field(name: str) -> Callable[[Turn, str | None], dict[str, Any]]:
    def read(turn: Turn, pressed: str | None) -> dict[str, Any]:
        found: dict[str, Any] = _message(turn)[name]
        return found

    return read


def _as(record: type[msgspec.Struct]) -> Callable[[Any], Any]:
    return lambda kept: msgspec.convert(kept, record)


def _request(field: str, button: str) -> Callable[[str], dict[str, Any]] | None:
    if not button:
        return None
    return lambda _: {"keyboard": [[{"text": button, field: True}]], "one_time_keyboard": True, "resize_keyboard": True}
