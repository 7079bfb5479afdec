"""Explicit entities, automatic entities, cleaning and trimming, and what holds for any text at all."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram.types import MessageEntity
from aiogram.utils.text_decorations import html_decoration, markdown_decoration
from hypothesis import given
from hypothesis import strategies as st

from posthouse.simulator.formatting import automatic, render, utf16_length
from posthouse.simulator.refusals import Refusal

EMOJI = "🎉"


def short(entities: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(e["type"], e["offset"], e["length"]) for e in entities]


def entity(kind: str, offset: int, length: int, **more: object) -> dict[str, object]:
    return {"type": kind, "offset": offset, "length": length, **more}


# Explicit entities.


def test_explicit_entities_are_sorted_and_nested() -> None:
    """Overlapping styles are cut, links that overlap are dropped, styles inside code vanish."""
    given_ = [
        entity("italic", 3, 5),
        entity("bold", 0, 5),
        entity("text_link", 9, 3, url="example.com"),
        entity("text_link", 10, 4, url="example.org"),
        entity("code", 15, 4),
        entity("bold", 14, 4),
    ]
    _, shown = render("0123456789abcdefghij", "", given_)
    assert short(shown) == [
        ("bold", 0, 3),
        ("italic", 3, 5),
        ("bold", 3, 2),
        ("text_link", 9, 3),
        ("bold", 14, 1),
        ("code", 15, 4),
    ]


def test_a_quote_holds_links_and_is_not_crossed() -> None:
    """A link across the edge of a quote is dropped, one inside it stays."""
    given_ = [
        entity("blockquote", 0, 6),
        entity("text_link", 4, 4, url="a.com"),
        entity("text_link", 1, 2, url="b.com"),
    ]
    _, shown = render("0123456789", "", given_)
    assert short(shown) == [("blockquote", 0, 6), ("text_link", 1, 2)]


def test_white_space_is_trimmed_and_entities_move() -> None:
    """Both ends go; an entity shrinks to what is left, and one of nothing but white space is gone."""
    text, shown = render("  hello  \n", "", [entity("bold", 0, 9), entity("italic", 7, 3)])
    assert (text, short(shown)) == ("hello", [("bold", 0, 5)])
    assert render("  ", "", [entity("bold", 0, 2)]) == ("", [])


def test_code_keeps_the_white_space_before_it() -> None:
    """What hides something keeps its white space at the beginning."""
    text, shown = render(" x", "", [entity("pre", 0, 2)])
    assert (text, short(shown)) == (" x", [("pre", 0, 2)])


def test_control_characters_are_cleaned() -> None:
    """Tabs become spaces, carriage returns vanish, and entities close the gap."""
    text, shown = render("a\tb\r\ncd", "", [entity("bold", 5, 2)])
    assert (text, short(shown)) == ("a b\ncd", [("bold", 4, 2)])


@pytest.mark.parametrize(
    ("text", "given_", "error"),
    [
        (f"a{EMOJI}b", entity("bold", 2, 1), "entity begins in a middle of a UTF-16 symbol at byte offset 5"),
        (
            f"a{EMOJI}b",
            entity("bold", 0, 2),
            "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 5",
        ),
        ("abc", entity("bold", 4, 1), "entity begins after the end of the text at UTF-16 offset 4"),
        (
            "abc",
            entity("bold", 1, 3),
            "entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 4",
        ),
        ("abc", entity("bold", -1, 3), "receive an entity with incorrect offset -1"),
        ("abc", entity("nope", 0, 1), "can't parse MessageEntity: Unsupported type specified"),
        ("abc", entity("", 0, 1), "can't parse MessageEntity: Type is not specified"),
        ("abc", {"offset": 0, "length": 1}, "can't parse MessageEntity: Can't find field \"type\""),
        ("abc", entity("text_link", 0, 1), "can't parse MessageEntity: Can't find field \"url\""),
        ("abc", entity("text_link", 0, 1, url="x"), "entity URL 'x' is invalid: Wrong HTTP URL"),
        (
            "abc",
            entity("text_link", 0, 1, url="ftp://x.y"),
            "entity URL 'ftp://x.y' is invalid: Unsupported URL protocol",
        ),
        ("abc", entity("custom_emoji", 0, 1, custom_emoji_id="x"), "invalid custom emoji identifier specified"),
        ("abc", entity("date_time", 0, 1, unix_time=0), "invalid date specified"),
        ("abc", "bold", "can't parse MessageEntity: MessageEntity must be an Object"),
    ],
)
def test_bad_entities_are_refused(text: str, given_: object, error: str) -> None:
    """Each in the server's words; offsets of entities are UTF-16 units, positions are bytes."""
    with pytest.raises(Refusal) as refused:
        render(text, "", [given_])
    assert refused.value.description == f"Bad Request: {error}"


def test_entities_are_ignored_with_a_parse_mode() -> None:
    """`parse_mode` wins."""
    assert render("*a*", "Markdown", [entity("italic", 0, 1)])[1] == [entity("bold", 0, 1)]


def test_a_message_keeps_a_hundred_entities() -> None:
    """The rest is dropped, styles first; custom emoji do not count."""
    text = "ab" * 150
    assert len(render(text, "", [entity("bold", 2 * i, 1) for i in range(150)])[1]) == 100
    emoji = [entity("custom_emoji", 2 * i, 1, custom_emoji_id="5") for i in range(150)]
    assert len(render(text, "", emoji)[1]) == 150


# Automatic entities.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see example.com now", [("url", "example.com")]),
        ("see example.nodomain now", []),
        ("file.py and 3.14 and v1.2.3", [("url", "file.py")]),
        ("https://a.nodomain/x?y=1#z.", [("url", "https://a.nodomain/x?y=1#z")]),
        ("(see https://a.com/b_(c))", [("url", "https://a.com/b_(c)")]),
        ("http://1.2.3.4:8080/x 1.2.3.4 1.2.3.400", [("url", "http://1.2.3.4:8080/x"), ("url", "1.2.3.4")]),
        ("http://localhost:8080", []),
        ("ftp://a.com sftp://a.com", [("url", "ftp://a.com")]),
        ("Example.Com eXample.cOM", [("url", "Example.Com")]),
        ("пример.рф", [("url", "пример.рф")]),
        ("tg://resolve?domain=x!", [("url", "tg://resolve?domain=x")]),
        ("a.b-.com a_b.com a.b_c.com", []),
        ("me@example.com, you+x@a.b.org.", [("email", "me@example.com"), ("email", "you+x@a.b.org")]),
        ("mailto:me@example.com", [("email", "me@example.com")]),
        ("@ann_x @gif @ab x@word @way_too_long_a_name_to_be_a_username", [("mention", "@ann_x"), ("mention", "@gif")]),
        ("#tag #1 #a1 #тег #x# a#b", [("hashtag", "#tag"), ("hashtag", "#a1"), ("hashtag", "#тег")]),
        ("#tag@channel", [("hashtag", "#tag@channel")]),
        ("$USD $TOOLONGNAME $usd $1INCH a$B", [("cashtag", "$USD"), ("cashtag", "$1INCH")]),
        ("/start /a@my_bot a/b /x/ //y </z", [("bot_command", "/start"), ("bot_command", "/a@my_bot")]),
        ("/help@ab", []),
        (
            "call +1 (202) 555-0123 or +79991234567!",
            [("phone_number", "+1 (202) 555-0123"), ("phone_number", "+79991234567")],
        ),
        ("1+1234567 +12", []),
        (f"{EMOJI} @ann_x", [("mention", "@ann_x")]),
    ],
)
def test_entities_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    """Links of known domains, addresses, mentions, tags, commands and numbers, and nothing that only looks so."""
    units = text.encode("utf-16-le")
    found = [
        (e["type"], units[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le"))
        for e in automatic(text)
    ]
    assert found == expected


def test_given_entities_win_over_found_ones() -> None:
    """Nothing is found inside code or a link, and a style around a found entity is cut at its ends."""
    assert short(render("<code>@ann_x</code>", "HTML", None)[1]) == [("code", 0, 6)]
    assert short(render("<a href='a.com'>b.com</a>", "HTML", None)[1]) == [("text_link", 0, 5)]
    assert short(render("<b>hi @ann_x you</b>", "HTML", None)[1]) == [
        ("bold", 0, 3),
        ("mention", 3, 6),
        ("bold", 3, 6),
        ("bold", 9, 4),
    ]


# What holds for any text.

_MARKS = ("```", "||", "**>", EMOJI, "![x](tg://emoji?id=5)", "[x](a.com)", "http://a.com", "@ann_x", "#tag", "/go")
_TAGS = ("<b>", "</b>", "<i>", "</>", "<code>", "</code>", "<a href='a.com'>", "</a>", "<pre>", "</pre>")
_QUOTES = ("<blockquote expandable>", "</blockquote>", "&lt;", "&#55357;", "\u202e", "\u0333")
_PIECES = st.sampled_from([*"_*[]()~`>#+-=|{}.!\\\n\r\t <>&/\"'@$:ab1é", *_MARKS, *_TAGS, *_QUOTES])
_TEXTS = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=25).map("".join))
_ENTITIES = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["bold", "italic", "spoiler", "code", "pre", "blockquote", "text_link", "mention"]),
            "offset": st.integers(-1, 70),
            "length": st.integers(-1, 70),
            "url": st.just("a.com"),
        }
    ),
    max_size=6,
)


def check_shape(text: str, entities: list[dict[str, Any]]) -> None:
    units = text.encode("utf-16-le")
    length = utf16_length(text)
    for e in entities:
        assert 0 <= e["offset"] < e["offset"] + e["length"] <= length
        units[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le")
    ordered = [(e["offset"], -e["length"]) for e in entities]
    assert ordered == sorted(ordered)
    for i, one in enumerate(entities):
        for two in entities[i + 1 :]:
            apart = two["offset"] >= one["offset"] + one["length"]
            inside = two["offset"] + two["length"] <= one["offset"] + one["length"]
            assert apart or inside, (one, two)
    assert not text.endswith((" ", "\n"))


@given(_TEXTS, st.sampled_from(["", "HTML", "MarkdownV2", "Markdown"]), _ENTITIES)
def test_any_text_is_shown_or_refused(text: str, mode: str, explicit: list[dict[str, Any]]) -> None:
    """Whatever is written, the answer is a refusal or well nested entities inside the text."""
    try:
        shown, entities = render(text, mode, explicit)
    except Refusal:
        return
    check_shape(shown, entities)
    assert not shown.startswith((" ", "\n")) or entities[0]["offset"] == 0


@given(st.text(max_size=60))
def test_escaped_text_comes_back(text: str) -> None:
    """What aiogram quotes for HTML and MarkdownV2 is shown as it was written."""
    plain = render(text, "", None)
    assert render(html_decoration.quote(text), "HTML", None) == plain
    if "\\" not in text:  # aiogram leaves a backslash as it is, so it would escape what follows
        assert render(markdown_decoration.quote(text), "MarkdownV2", None)[0] == plain[0]


@given(_TEXTS, _ENTITIES)
def test_decorated_text_comes_back(text: str, explicit: list[dict[str, Any]]) -> None:
    """Entities that aiogram turns into HTML are read back as they were."""
    try:
        shown, entities = render(text, "", explicit)
    except Refusal:
        return
    written = html_decoration.unparse(shown, [MessageEntity.model_validate(e) for e in entities])
    assert render(written, "HTML", None) == (shown, entities)
