"""What a button carries: three formats, at most 64 bytes, and nothing that is not ours is taken for a session."""

from __future__ import annotations

import string
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import SESSION_ID_LENGTH, new_session_id
from posthouse.telegram.callback_data import (
    ACTION_BYTES_MAX,
    DATA_BYTES_MAX,
    CallbackData,
    Format,
    check_action,
    pack,
    parse,
)

ID = "0aZ9bY8cX7"
UUID = "0191d3f2-7c1e-7b2a-9f00-3c5d8e6a1b2c"

ids = st.one_of(
    st.text(string.ascii_letters + string.digits, min_size=SESSION_ID_LENGTH, max_size=SESSION_ID_LENGTH),
    st.uuids().map(str),
)
actions = st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True)
values = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), max_size=20)
revs = st.integers(1, 9_999_999)


@pytest.mark.req("S0-13", "S0-14", "S0-15", "S0-16", "E0-8")
@pytest.mark.parametrize(
    ("data", "wanted", "format"),
    [
        (f"pack.preview.pay:{ID}:12", CallbackData("pack.preview.pay", "", ID, 12), Format.REV),
        (f"pack.preview.pay:{ID}", CallbackData("pack.preview.pay", "", ID), Format.ID),
        ("pack.preview.pay", CallbackData("pack.preview.pay"), Format.BARE),
        (f"style=comic:{ID}:1", CallbackData("style", "comic", ID, 1), Format.REV),
        (f"style=comic:{ID}", CallbackData("style", "comic", ID), Format.ID),
        ("style=comic", CallbackData("style", "comic"), Format.BARE),
        (f"style=a=b:{ID}:1", CallbackData("style", "a=b", ID, 1), Format.REV),
        (f"pay:{UUID}:3", CallbackData("pay", "", UUID, 3), Format.REV),
        (f"pay:{UUID.upper()}", CallbackData("pay", "", UUID.upper()), Format.ID),
        (f"pay:{ID}:9999999", CallbackData("pay", "", ID, 9_999_999), Format.REV),
    ],
)
def test_the_three_formats_are_read(data: str, wanted: CallbackData, format: Format) -> None:
    """With revision, with the session alone, and bare; each with or without a value, in our ids and in adopted ones."""
    assert parse(data) == wanted
    assert parse(data).format is format


@pytest.mark.req("S0-19", "C0-8")
@pytest.mark.parametrize(
    "data",
    [
        "",
        ":",
        "::",
        "pay:",
        "pay:short",
        "pay:elevenchars",
        "pay:0aZ9bY8cX_",
        "pay:0aZ9bY8cXя",
        "pay:٠١٢٣٤٥٦٧٨٩",
        f"pay:{ID}:",
        f"pay:{ID}:0",
        f"pay:{ID}:01",
        f"pay:{ID}:-1",
        f"pay:{ID}:+1",
        f"pay:{ID}:1.5",
        f"pay:{ID}: 1",
        f"pay:{ID}:1_0",
        f"pay:{ID}:²",
        f"pay:{ID}:١",
        f"pay:{ID}:12345678",
        f"pay:{ID}:1:2",
        f"pay:{ID}:1:",
        f"pay: {ID}",
        f"pay:{ID}\n",
        f"pay:{ID}:1\n",
        f"pay:{UUID[:-1]}",
        f"pay:{UUID.replace('-', '')}",
        f"pay:{{{UUID}}}",
        "order:item:4",
        "https://x.test/a",
        "a:b:c:d",
    ],
)
def test_what_is_not_ours_names_no_session(data: str) -> None:
    """Other people's buttons are a bare action of their whole text: no part of them is looked up."""
    press = parse(data)
    assert press.session_id is None
    assert press.rev is None
    assert press.format is Format.BARE
    if ":" in data:
        assert press == CallbackData(data)


@given(st.text())
def test_anything_can_be_pressed(data: str) -> None:
    """Whatever a client sends is read without an error, and a session is only what has the form of one."""
    press = parse(data)
    if press.session_id is not None:
        assert press.session_id in data.split(":")
        assert len(press.session_id) in (SESSION_ID_LENGTH, 36)
    if press.rev is not None:
        assert 1 <= press.rev <= 9_999_999


@pytest.mark.req("S0-13", "B-3")
@given(action=actions, value=values, session_id=ids, rev=revs)
def test_what_is_packed_is_read_back(action: str, value: str, session_id: str, rev: int) -> None:
    """The same action, value, session and revision; what does not fit is an error and never a shorter reference."""
    try:
        data = pack(action, value, session_id, rev)
    except AuthorError:
        assert len(f"{action}={value}:{session_id}:{rev}".encode()) > DATA_BYTES_MAX
        return
    assert len(data.encode()) <= DATA_BYTES_MAX
    assert parse(data) == CallbackData(action, value, session_id, rev)


@pytest.mark.req("B-3")
@pytest.mark.parametrize(("letter", "fits"), [("x", 45), ("я", 22), ("語", 15), ("🎉", 11)])
def test_lengths_are_bytes(letter: str, fits: int) -> None:
    """64 bytes hold half as many Cyrillic letters as Latin ones; the error says how many bytes a value may have."""
    room = DATA_BYTES_MAX - len(f"go=:{ID}:1234")
    assert room // len(letter.encode()) == fits
    assert len(pack("go", letter * fits, ID, 1234).encode()) <= DATA_BYTES_MAX
    with pytest.raises(AuthorError, match=f"make the value at most {room} bytes"):
        pack("go", letter * (fits + 1), ID, 1234)


def test_a_value_with_a_colon_is_refused() -> None:
    """It would be read as a session."""
    with pytest.raises(AuthorError, match="must not contain a colon"):
        pack("go", "a:b", ID, 1)


@pytest.mark.req("B-3")
@pytest.mark.parametrize(
    "action", ["", "G", "1go", "_go", "go on", "go:on", "go=on", "go\n", "идти", "goй", "gо", "go²", "g" * 46]
)
def test_an_action_that_could_not_be_read_back_is_refused(action: str) -> None:
    """Lower-case ASCII with a letter first (a Cyrillic "о" is none), with room for session and revision."""
    assert check_action(action) is not None


@pytest.mark.parametrize("action", ["g", "go", "pack.preview.pay", "a1_b-c.d", "g" * ACTION_BYTES_MAX])
def test_an_action_that_is_taken_fits_with_any_session_of_ours(action: str) -> None:
    """The longest one with the largest revision has 64 bytes."""
    assert check_action(action) is None
    assert len(pack(action, "", new_session_id(), 9_999_999).encode()) <= DATA_BYTES_MAX


@pytest.mark.req("B-3", "S0-12")
@pytest.mark.parametrize("event", ["pack.back.carousel", "pack.preview.pay", "pack.regenerate", "pack.approve"])
def test_the_buttons_of_an_adopted_session_fit_too(event: str) -> None:
    """A session that came from another bot keeps its uuid of 36 characters, at any revision."""
    data = pack(event, "", str(uuid.UUID(UUID)), 9_999_999)
    assert len(data.encode()) <= DATA_BYTES_MAX
    assert parse(data).session_id == UUID


def test_ids_of_sessions_are_short_and_have_no_separators() -> None:
    """Ten letters or digits, different each time: they fit a button and cannot be guessed."""
    made = {new_session_id() for _ in range(2_000)}
    assert len(made) == 2_000
    alphabet = set(string.ascii_letters + string.digits)
    assert all(len(id) == SESSION_ID_LENGTH and set(id) <= alphabet for id in made)


@given(st.sampled_from(["pay", "go.on"]), st.one_of(st.none(), ids), st.one_of(st.none(), revs))
def test_the_format_says_how_much_a_button_names(action: str, session_id: Any, rev: Any) -> None:
    """Bare without a session, whatever else is there; full only with both."""
    press = CallbackData(action, "", session_id, rev)
    wanted = Format.BARE if session_id is None else Format.ID if rev is None else Format.REV
    assert press.format is wanted
