"""What each want takes for an answer, how it reads it, and what it says of the rest."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.entries import Entry
from posthouse.core.errors import AuthorError
from posthouse.programs.conversations import wants
from posthouse.programs.conversations.wants import (
    Contact,
    Document,
    Location,
    Photo,
    Unfit,
    Want,
    any_of,
    choice,
    contact,
    document,
    kind_of,
    location,
    number,
    photo,
    read_date,
    text,
)
from posthouse.programs.turn import Turn

UNFIT = object()


def turn_of(message: dict[str, Any], *, at: float = 1_750_000_000.0) -> Turn:
    body = {"update_id": 1, "message": {"message_id": 1, "chat": {"id": 7}, **message}}
    return Turn(Entry(42, 7, 1, json.dumps(body).encode(), at), reach=None, states={})  # type: ignore[arg-type]


def given_to(want: Want, written: str | dict[str, Any], *, pressed: str | None = None, at: float = 1.75e9) -> Any:
    """What the author gets, or UNFIT; a replay of what is kept gives the same."""
    message = {"text": written} if isinstance(written, str) else written
    try:
        kept, value = want.accept(turn_of(message, at=at), pressed)
    except Unfit:
        return UNFIT
    stored = msgspec.json.decode(msgspec.json.encode(kept))
    assert want.finish(stored) == value
    return value


# -- text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "written", "value"),
    [
        ({}, "  hello ", "hello"),
        ({}, "two\nlines", "two\nlines"),
        ({"length_max": 5}, "12345", "12345"),
        ({"length_max": 5}, "123456", UNFIT),
        ({"pattern": r"[A-Z]{3}-\d{3}"}, "ABC-123", "ABC-123"),
        ({"pattern": r"[A-Z]{3}-\d{3}"}, "ABC-1234", UNFIT),
        ({"pattern": r"[A-Z]{3}-\d{3}"}, "x ABC-123", UNFIT),
    ],
)
def test_a_text_is_taken_as_a_whole_without_the_space_around_it(options: Any, written: str, value: Any) -> None:
    """A pattern fits the whole text, and the length is that of the text that is kept."""
    assert given_to(text(**options), written) == value


# -- numbers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "written", "value"),
    [
        ({}, "5", 5),
        ({}, " 5 ", 5),
        ({}, "+5", 5),
        ({}, "-5", -5),
        ({}, "1 000", 1000),
        ({}, "1\u00a0000", 1000),
        ({}, "007", 7),
        ({}, "5.5", UNFIT),
        ({}, "5,5", UNFIT),
        ({}, "5.0", UNFIT),
        ({}, "", UNFIT),
        ({}, "five", UNFIT),
        ({}, "5 kg", UNFIT),
        ({}, "٥", UNFIT),
        ({}, "0x10", UNFIT),
        ({}, "1e3", UNFIT),
        ({}, "--5", UNFIT),
        ({}, "9" * 15, 10**15 - 1),
        ({}, "9" * 16, UNFIT),
        ({"min": 1, "max": 99}, "1", 1),
        ({"min": 1, "max": 99}, "99", 99),
        ({"min": 1, "max": 99}, "0", UNFIT),
        ({"min": 1, "max": 99}, "100", UNFIT),
        ({"whole": False}, "5,5", 5.5),
        ({"whole": False}, "5.5", 5.5),
        ({"whole": False}, "5", 5.0),
        ({"whole": False}, "1 234,75", 1234.75),
        ({"whole": False}, "-0,5", -0.5),
        ({"whole": False}, "5,", UNFIT),
        ({"whole": False}, ",5", UNFIT),
        ({"whole": False}, "1.234,75", UNFIT),
        ({"whole": False}, "nan", UNFIT),
        ({"whole": False}, "inf", UNFIT),
        ({"whole": False, "min": 0.5}, "0,49", UNFIT),
        ({"whole": False, "min": 0.5}, "0,5", 0.5),
    ],
)
def test_a_number_is_read_as_people_write_it(options: Any, written: str, value: Any) -> None:
    """Spaces group digits, comma and dot are the same, and the limits are in it."""
    found = given_to(number(**options), written)
    assert found == value
    if value is not UNFIT:
        assert type(found) is (float if options.get("whole") is False else int)


@given(value=st.floats(-1e12, 1e12).map(lambda value: round(value, 3)))
def test_any_number_comes_back_with_comma_and_with_dot(value: float) -> None:
    """What is written with up to three decimals is read exactly."""
    written = f"{value:.3f}"
    assert given_to(number(whole=False), written) == float(written)
    assert given_to(number(whole=False), written.replace(".", ",")) == float(written)


# -- dates --------------------------------------------------------------------------------------------------------

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("written", "today", "day"),
    [
        ("2026-11-28", TODAY, date(2026, 11, 28)),
        ("2026-1-5", TODAY, date(2026, 1, 5)),
        ("28.11.2026", TODAY, date(2026, 11, 28)),
        ("28.11.26", TODAY, date(2026, 11, 28)),
        ("28/11/2026", TODAY, date(2026, 11, 28)),
        ("5.1.2027", TODAY, date(2027, 1, 5)),
        ("28.11", TODAY, date(2026, 11, 28)),
        ("28.11.", TODAY, date(2026, 11, 28)),
        ("today", TODAY, TODAY),
        ("Today", TODAY, TODAY),
        ("сегодня", TODAY, TODAY),
        ("Завтра", TODAY, date(2026, 11, 29)),
        ("tomorrow", date(2026, 12, 31), date(2027, 1, 1)),
        ("yesterday", date(2027, 1, 1), date(2026, 12, 31)),
        ("вчера", date(2028, 3, 1), date(2028, 2, 29)),
        ("31.12.", date(2027, 1, 2), date(2026, 12, 31)),
        ("2.1.", date(2026, 12, 30), date(2027, 1, 2)),
        ("1.7.", date(2026, 1, 2), date(2026, 7, 1)),
        ("29.2.", date(2028, 1, 15), date(2028, 2, 29)),
        ("29.2.", date(2027, 12, 31), date(2028, 2, 29)),
        ("29.02", date(2026, 11, 28), date(2028, 2, 29)),
        ("29.02", date(2025, 6, 1), date(2024, 2, 29)),
        ("29.02", date(1900, 2, 20), date(1896, 2, 29)),
        ("29.02.2027", TODAY, None),
        ("29.02.2028", TODAY, date(2028, 2, 29)),
        ("2027-02-29", TODAY, None),
        ("31.04.", TODAY, None),
        ("0.1.", TODAY, None),
        ("1.13.", TODAY, None),
        ("11.28.2026", TODAY, None),
        ("28-11-2026", TODAY, None),
        ("28.11.026", TODAY, None),
        ("soon", TODAY, None),
        ("", TODAY, None),
    ],
)
def test_a_day_is_read_in_every_notation(written: str, today: date, day: date | None) -> None:
    """ISO, day.month.year, and the nearest such day when the year is left out, over New Year and 29 February."""
    assert read_date(written, today) == day


@given(day=st.dates(date(2000, 1, 1), date(2090, 12, 31)), away=st.integers(-170, 170))
def test_a_day_without_a_year_is_the_nearest_one(day: date, away: int) -> None:
    """Within half a year of today the year need not be written."""
    assert read_date(f"{day.day}.{day.month}.", day + timedelta(days=away)) == day


def test_today_ends_where_the_person_lives() -> None:
    """The offset decides which day it is; the limits are in it."""
    late = datetime(2026, 12, 31, 22, 30, tzinfo=UTC).timestamp()
    assert given_to(wants.date(), "today", at=late) == date(2026, 12, 31)
    assert given_to(wants.date(utc_offset=timedelta(hours=3)), "today", at=late) == date(2027, 1, 1)
    assert given_to(wants.date(utc_offset=timedelta(hours=3)), "31.12.", at=late) == date(2026, 12, 31)
    bounded = wants.date(min=date(2026, 1, 1), max=date(2026, 12, 31))
    assert given_to(bounded, "2026-12-31", at=late) == date(2026, 12, 31)
    assert given_to(bounded, "2027-01-01", at=late) is UNFIT
    assert given_to(bounded, "2025-12-31", at=late) is UNFIT


# -- choices ------------------------------------------------------------------------------------------------------

SAVE = {"yes": "✅ Save", "no": "Do not"}


@pytest.mark.parametrize(
    ("pressed", "written", "value"),
    [
        ("0", "", "yes"),
        ("1", "", "no"),
        ("2", "", UNFIT),
        ("-1", "", UNFIT),
        ("", "", UNFIT),
        ("yes", "", UNFIT),
        (None, "✅ Save", "yes"),
        (None, "✅ SAVE", "yes"),
        (None, " do not ", "no"),
        (None, "no", "no"),
        (None, "maybe", UNFIT),
    ],
)
def test_a_choice_is_a_button_or_its_typed_label(pressed: str | None, written: str, value: Any) -> None:
    """A button is the place of an option; typed, its label or value fits in any case of letters."""
    assert given_to(choice(SAVE), written, pressed=pressed) == value


def test_a_typed_label_is_what_the_person_sees() -> None:
    """Where one option's value is another's label, the label counts."""
    crossed = choice({"1": "2", "2": "1", "no": "Yes", "yes": "No"})
    assert [given_to(crossed, written) for written in ("1", "2", "Yes", "No")] == ["2", "1", "no", "yes"]


def test_labels_alone_are_their_own_values() -> None:
    """A list of labels will do; none at all is the author's mistake."""
    assert given_to(choice(["small", "large"]), "", pressed="1") == "large"
    with pytest.raises(AuthorError, match="at least one option"):
        choice([])


# -- what else a person may send ----------------------------------------------------------------------------------


def size(name: str, width: int, height: int) -> dict[str, Any]:
    return {"file_id": name, "file_unique_id": f"u-{name}", "width": width, "height": height}


@pytest.mark.req("S4-1")
def test_a_photo_is_its_largest_size() -> None:
    """Whatever the order of the sizes, and with the caption."""
    sizes = [size("m", 320, 320), size("x", 1280, 960), size("s", 90, 90)]
    found = given_to(photo(), {"photo": sizes, "caption": "me"})
    assert found == Photo("x", "u-x", 1280, 960, "me")


def test_files_contacts_and_places_are_records() -> None:
    """What Telegram adds to them besides is no obstacle."""
    file = {"file_id": "d", "file_unique_id": "u-d", "file_name": "a.pdf", "mime_type": "application/pdf"}
    assert given_to(document(), {"document": file | {"file_size": 9, "thumbnail": size("t", 1, 1)}}) == Document(
        "d", "u-d", "a.pdf", "application/pdf", 9
    )
    assert given_to(document(), {"document": {"file_id": "d", "file_unique_id": "u"}}) == Document("d", "u")
    card = {"phone_number": "+100", "first_name": "Ann", "user_id": 7, "vcard": "…"}
    assert given_to(contact(), {"contact": card}) == Contact("+100", "Ann", "", 7)
    assert given_to(contact(), {"contact": {"phone_number": "1", "first_name": "B"}}) == Contact("1", "B")
    place = {"latitude": 1.5, "longitude": -2.25, "horizontal_accuracy": 9.0}
    assert given_to(location(), {"location": place}) == Location(1.5, -2.25)
    assert given_to(location(), {"location": {"latitude": 1, "longitude": 2}}) == Location(1, 2)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"text": "hi"}, "text"),
        ({"text": "/start"}, ""),
        ({"photo": []}, "photo"),
        ({"photo": [], "caption": "c"}, "photo"),
        ({"document": {}}, "document"),
        ({"animation": {}, "document": {}}, "document"),
        ({"contact": {}}, "contact"),
        ({"location": {}}, "location"),
        ({"venue": {}, "location": {}}, "location"),
        ({"voice": {}}, "voice"),
        ({"dice": {}}, ""),
        ({"new_chat_members": []}, ""),
        ({"pinned_message": {}}, ""),
    ],
)
def test_the_kind_of_a_message_is_what_a_question_may_want(message: dict[str, Any], kind: str) -> None:
    """Commands and service messages are of no kind, so no question swallows them."""
    assert kind_of(turn_of(message)) == kind


def test_contacts_and_places_may_have_a_button_that_shares_them() -> None:
    """With a text there is a reply keyboard; without one there is none."""
    assert contact().keyboard is None
    assert contact(button="My number").keyboard("")["keyboard"] == [[{"text": "My number", "request_contact": True}]]  # type: ignore[misc]
    assert location(button="Here").keyboard("")["keyboard"] == [[{"text": "Here", "request_location": True}]]  # type: ignore[misc]


# -- parse and check ----------------------------------------------------------------------------------------------


def test_check_and_parse_say_what_is_wrong() -> None:
    """The text of `check`, and that of the `ValueError` which `parse` raises, are for the person."""

    def even(value: int) -> int:
        if value % 2:
            raise ValueError("Only even numbers, please.")
        return value // 2

    want = number(check=lambda value: "Too many." if value > 10 else None, parse=even)
    assert given_to(want, "8") == 4
    with pytest.raises(Unfit, match=r"Too many\."):
        want.accept(turn_of({"text": "12"}), None)
    with pytest.raises(Unfit, match=r"Only even numbers, please\."):
        want.accept(turn_of({"text": "3"}), None)
    with pytest.raises(Unfit) as plain:
        want.accept(turn_of({"text": "x"}), None)
    assert str(plain.value) == ""


@pytest.mark.req("S4-9")
def test_an_answer_is_checked_when_it_comes_and_never_again() -> None:
    """A name that was free when it was given may be taken by the time of a replay; the answer stays."""
    taken: set[str] = set()
    want = text(check=lambda name: "Taken." if name in taken else None)
    kept, value = want.accept(turn_of({"text": "Ann"}), None)
    taken.add(value)
    assert want.finish(kept) == "Ann"
    either = any_of({"name": want})
    assert either.finish(["name", "Ann"]) == ("name", "Ann")


def test_what_parse_makes_is_made_again_from_what_was_written() -> None:
    """Any object may come out of it: the journal keeps the answer, not the object."""
    want = text(parse=lambda written: written.split())
    assert given_to(want, "a b c") == ["a", "b", "c"]


# -- any of -------------------------------------------------------------------------------------------------------


def test_any_of_takes_whichever_comes() -> None:
    """The name says which it was; the first that fits counts; a button is the choice's."""
    want = any_of({"sum": number(max=10), "note": text(length_max=5), "photo": photo(), "skip": choice(["Skip"])})
    assert given_to(want, "7") == ("sum", 7)
    assert given_to(want, "11") == ("note", "11")
    assert given_to(want, {"photo": [size("x", 1, 1)]}) == ("photo", Photo("x", "u-x", 1, 1))
    assert given_to(want, "", pressed="0") == ("skip", "Skip")
    assert given_to(want, "too long") is UNFIT
    assert given_to(want, {"voice": {}}) is UNFIT
    assert set(want.kinds) == {"text", "photo", "button"}
    assert want.options == {"Skip": "Skip"}


def test_any_of_says_what_is_wrong_when_one_alone_could_have_fitted() -> None:
    """With several for that kind of message none of them speaks for all."""
    checked = number(check=lambda value: "Too many." if value > 10 else None)
    with pytest.raises(Unfit, match=r"Too many\."):
        any_of({"sum": checked, "photo": photo()}).accept(turn_of({"text": "11"}), None)
    with pytest.raises(Unfit) as several:
        any_of({"sum": checked, "note": text(length_max=1)}).accept(turn_of({"text": "11"}), None)
    assert str(several.value) == ""


def test_a_question_has_one_keyboard() -> None:
    """Two choices in one question are the author's mistake."""
    with pytest.raises(AuthorError, match="at most one choice"):
        any_of({"a": choice(["x"]), "b": choice(["y"])})
