"""The three parse modes: what they make of text, and what they say when they cannot."""

from __future__ import annotations

from typing import Any

import pytest

from posthouse.simulator.formatting import render
from posthouse.simulator.refusals import Refusal

Short = tuple[Any, ...]


def short(entities: list[dict[str, Any]]) -> list[Short]:
    """Each entity as type, offset, length, and what else it says."""
    known = ("type", "offset", "length")
    return [(*(e[name] for name in known), *(e[name] for name in sorted(e) if name not in known)) for e in entities]


def refusal(text: str, mode: str) -> str:
    with pytest.raises(Refusal) as refused:
        render(text, mode, None)
    assert refused.value.code == 400
    return refused.value.description.removeprefix("Bad Request: can't parse entities: ")


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>bold</b> and <strong>so</strong>", "bold and so", [("bold", 0, 4), ("bold", 9, 2)]),
        ("<i>a</i><em>b</em>", "ab", [("italic", 0, 2)]),
        ("<u>a</u> <ins>b</ins>", "a b", [("underline", 0, 1), ("underline", 2, 1)]),
        ("<s>a</s> <strike>b</strike> <del>c</del>", "a b c", [("strikethrough", i, 1) for i in (0, 2, 4)]),
        ('<span class="tg-spoiler">a</span> <tg-spoiler>b</tg-spoiler>', "a b", [("spoiler", 0, 1), ("spoiler", 2, 1)]),
        ("🎉<b>🎉</b>", "🎉🎉", [("bold", 2, 2)]),
        ("é<b>é</b>", "éé", [("bold", 1, 1)]),
        ("a &lt;b&gt; &amp; &quot;c&quot; &#233;&#xe9; &eacute; &ltx", 'a <b> & "c" éé &eacute; &ltx', []),
        ("&lt<b>x</>", "<x", [("bold", 1, 1)]),
        ("<B>x</b  >", "x", [("bold", 0, 1)]),
        ('<a href="https://Example.COM?a=1&amp;b=2">x</a>', "x", [("text_link", 0, 1, "https://example.com/?a=1&b=2")]),
        ("<a href=example.com>x</a>", "x", [("text_link", 0, 1, "http://example.com/")]),
        ("<a>example.com</a>", "example.com", [("text_link", 0, 11, "http://example.com/")]),
        ("<a>nothing</a> <a href='ftp://x.y'>x</a>", "nothing x", []),
        ('<a href="tg://user?id=42">Ann</a>', "Ann", [("text_mention", 0, 3, {"id": 42})]),
        ('<a href="tg:resolve?domain=x">x</a>', "x", [("text_link", 0, 1, "tg://resolve?domain=x")]),
        ("<pre>x\ny</pre>", "x\ny", [("pre", 0, 3)]),
        ('<pre><code class="language-c++">x</code></pre>', "x", [("pre", 0, 1, "c++")]),
        ('<code class="language-c"><pre>x</pre></code>', "x", [("pre", 0, 1, "c")]),
        ('<pre>y<code class="language-c">x</code></pre>', "yx", [("pre", 0, 2)]),
        ('<code class="language-c">x</code>', "x", [("code", 0, 1)]),
        ("<blockquote>a\nb</blockquote>", "a\nb", [("blockquote", 0, 3)]),
        ("<blockquote expandable>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ("<blockquote cite='x' expandable=no>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        (
            '<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji>',
            "👍",
            [("custom_emoji", 0, 2, "5368324170671202286")],
        ),
        ('<tg-time unix="1700000000" format="Tw">now</tg-time>', "now", [("date_time", 0, 3, "wT", 1700000000)]),
        ('<tg-time unix = "9", format = "r">then</tg-time>', "then", [("date_time", 0, 4, "r", 9)]),
        ("<b></b>x<i> </i>", "x", []),
        ("<b>one <i>two</i></b>", "one two", [("bold", 0, 4), ("bold", 4, 3), ("italic", 4, 3)]),
        ("<b><i>two</i> one</b>", "two one", [("bold", 0, 7), ("italic", 0, 3)]),
        ("<b>a<code>b</code>c</b>", "abc", [("bold", 0, 1), ("code", 1, 1), ("bold", 2, 1)]),
        ("<a href='a.com'>x<a href='b.com'>y</a></a>", "xy", [("text_link", 0, 2, "http://a.com/")]),
    ],
)
def test_html_is_read(source: str, text: str, entities: list[Short]) -> None:
    """Tags become entities in UTF-16 offsets; four named references are known; styles are cut where others begin."""
    shown, found = render(source, "HTML", None)
    assert (shown, short(found)) == (text, entities)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("é<x>y", 'Unsupported start tag "x" at byte offset 2'),
        ("<b/>", 'Unsupported start tag "b/" at byte offset 0'),
        ("<br>", 'Unsupported start tag "br" at byte offset 0'),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("1 < 2>", 'Unsupported start tag "" at byte offset 2'),
        ("🎉<b", "Unclosed start tag at byte offset 4"),
        ("<b x", 'Unclosed start tag "b" at byte offset 0'),
        ("<a href=", 'Unclosed start tag "a" at byte offset 0'),
        ("<a href='x", "Unclosed start tag at byte offset 0"),
        ("<a href=x/y>z</a>", "Unexpected end of name token at byte offset 8"),
        ("<a ='x'>z</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<b>é</i>", 'Unmatched end tag at byte offset 5, expected "</b>", found "</i>"'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<tg-emoji emoji-id='x'>y</tg-emoji>", "Invalid custom emoji identifier specified"),
        ("<tg-time unix='1' format='rt'>y</tg-time>", "Invalid date format used"),
        (
            "&#xd83d;",
            "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched "
            "surrogate code units",
        ),
    ],
)
def test_bad_html_is_refused(source: str, error: str) -> None:
    """In the server's words, with offsets in bytes."""
    assert refusal(source, "html") == error


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("*a* _b_ ~c~", "a b c", [("bold", 0, 1), ("italic", 2, 1), ("strikethrough", 4, 1)]),
        ("__a__ ||b||", "a b", [("underline", 0, 1), ("spoiler", 2, 1)]),
        ("__a _b_\\___", "a b_", [("underline", 0, 2), ("underline", 2, 2), ("italic", 2, 1)]),
        ("_a __b___", "a b", [("italic", 0, 2), ("italic", 2, 1), ("underline", 2, 1)]),
        (r"1\.5 \* \\ \a", "1.5 * \\ a", []),
        ("\\é", "\\é", []),
        ("`a_b*c`", "a_b*c", [("code", 0, 5)]),
        (r"`\``", "`", [("code", 0, 1)]),
        ("```\nx\n```\\.", "x\n.", [("pre", 0, 2)]),
        ("```python\nx=1```", "x=1", [("pre", 0, 3, "python")]),
        ("```x```", "x", [("pre", 0, 1)]),
        ("```a b```", " b", [("pre", 0, 2, "a")]),
        (r"[x](example\.com/\))", "x", [("text_link", 0, 1, "http://example.com/)")]),
        (r"[example\.com]", "example.com", [("text_link", 0, 11, "http://example.com/")]),
        ("[x](nothing)", "x", []),
        ("[Ann](tg://user?id=42)", "Ann", [("text_mention", 0, 3, {"id": 42})]),
        ("![👍](tg://emoji?id=5)", "👍", [("custom_emoji", 0, 2, "5")]),
        ("![👍](TG:EMOJI/?x=1&id=5#id=6)", "👍", [("custom_emoji", 0, 2, "5")]),
        ("![now](tg://time?unix=7&format=tD)", "now", [("date_time", 0, 3, "Dt", 7)]),
        (">a\n>b\nc", "a\nb\nc", [("blockquote", 0, 4)]),
        (">a\n>b||\nc", "a\nb\nc", [("expandable_blockquote", 0, 4)]),
        (">a||", "a", [("expandable_blockquote", 0, 1)]),
        (">||a||", "a", [("blockquote", 0, 1), ("spoiler", 0, 1)]),
        (">a\n**>b||", "a\nb", [("blockquote", 0, 2), ("expandable_blockquote", 2, 1)]),
        ("*x\n>a\ny*", "x\na\ny", [("bold", 0, 2), ("blockquote", 2, 2), ("bold", 2, 2), ("bold", 4, 1)]),
        ("`>a\nb`", ">a\nb", [("code", 0, 4)]),
        ("🎉*🎉*", "🎉🎉", [("bold", 2, 2)]),
        ("", "", []),
        ("****", "", []),
    ],
)
def test_markdown_v2_is_read(source: str, text: str, entities: list[Short]) -> None:
    """Marks nest, `__` is greedy, quotes run from line to line, and a last `||` makes one expandable."""
    shown, found = render(source, "MarkdownV2", None)
    assert (shown, short(found)) == (text, entities)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        *(
            (f"x {c}", f"Character '{c}' is reserved and must be escaped with the preceding '\\'")
            for c in "])>#+-=|{}.!"
        ),
        ("🎉_x", "Can't find end of Italic entity at byte offset 4"),
        ("__x _y___", "Can't find end of Italic entity at byte offset 8"),
        ("*x _y*", "Can't find end of Bold entity at byte offset 5"),
        ("__x_", "Can't find end of Italic entity at byte offset 3"),
        ("`x", "Can't find end of Code entity at byte offset 0"),
        ("```x", "Can't find end of Pre entity at byte offset 0"),
        ("```x y", "Can't find end of PreCode entity at byte offset 0"),
        ("||x", "Can't find end of Spoiler entity at byte offset 0"),
        ("~x", "Can't find end of Strikethrough entity at byte offset 0"),
        ("[x", "Can't find end of TextUrl entity at byte offset 0"),
        ("![x", "Can't find end of CustomEmoji entity at byte offset 0"),
        ("[é](x", "Can't find end of a URL at byte offset 5"),
        ("![x]", "The entity must contain a tg://emoji or tg://time URL"),
        ("![x](tg://emoji?id=05)", "Invalid tg://emoji or tg://time URL specified"),
        ("![x](tg://time?unix=0)", "Invalid tg://emoji or tg://time URL specified"),
        ("![x](tg://time?unix=1&format=x)", "Invalid date format used"),
        (">*a\nb*", "Can't find end of Bold entity at byte offset 1"),
        (">a||b\nc", "Can't find end of Spoiler entity at byte offset 2"),
    ],
)
def test_bad_markdown_v2_is_refused(source: str, error: str) -> None:
    """The entity that is open is named, with the byte at which it began."""
    assert refusal(source, "markdownv2") == error


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("*a* _b_ `c`", "a b c", [("bold", 0, 1), ("italic", 2, 1), ("code", 4, 1)]),
        ("*a_b*", "a_b", [("bold", 0, 3)]),
        (r"snake\_case \x \[", r"snake_case \x [", []),
        ("```py\nx```", "x", [("pre", 0, 1, "py")]),
        ("[x](example.com)", "x", [("text_link", 0, 1, "http://example.com/")]),
        ("[Ann](tg://user?id=7)", "Ann", [("text_mention", 0, 3, {"id": 7})]),
        ("[x](example.com", "x", [("text_link", 0, 1, "http://example.com/")]),
        ("[](example.com) -", "(example.com) -", [("url", 1, 11)]),
        ("1.5 - 2! (ok)", "1.5 - 2! (ok)", []),
    ],
)
def test_legacy_markdown_is_read(source: str, text: str, entities: list[Short]) -> None:
    """Four marks and no nesting; everything else is text."""
    shown, found = render(source, "markdown", None)
    assert (shown, short(found)) == (text, entities)


def test_bad_legacy_markdown_is_refused() -> None:
    """One text for all, with the byte at which the entity began."""
    assert refusal("é *x", "Markdown") == "Can't find end of the entity starting at byte offset 3"
    with pytest.raises(Refusal, match="unsupported parse_mode"):
        render("x", "BBCode", None)
