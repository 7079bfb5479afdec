"""Server-sent events: the same events however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.adapters.models.sse import EventTooLong, ServerSentEvent, SseReader


def events_of(*chunks: bytes) -> list[ServerSentEvent]:
    reader = SseReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


def data_of(text: str) -> list[str]:
    return [event.data for event in events_of(text.encode())]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        ("data: one\n\ndata: two\n\n", ["one", "two"]),
        ("data: one\r\n\r\ndata: two\r\rdata: three\n\n", ["one", "two", "three"]),
        ("data: first line\ndata: second\ndata:\ndata: fourth\n\n", ["first line\nsecond\n\nfourth"]),
        (": keep-alive\n\n:\n\ndata: x\n: in between\n\n", ["x"]),
        ("data:no space\n\ndata:  two\n\n", ["no space", " two"]),
        ("data\n\n", [""]),
        ("data: a:b: c\n\n", ["a:b: c"]),
        ("\n\n\ndata: x\n\n\n\n", ["x"]),
        ("id: 7\nretry: 5\nunheard: of\ndata: x\n\n", ["x"]),
        ("event: only a name\n\ndata: x\n\n", ["x"]),
        ("data: x\n\ndata: never dispatched\n", ["x"]),
        ("data: never dispatched", []),
        ("\ufeffdata: after a mark\n\n", ["after a mark"]),
        ("data: \ufeff inside\n\n", ["\ufeff inside"]),
        ("data: [DONE]\n\n", ["[DONE]"]),
        (
            "data: line\u2028separator\x0b\x0c\x85 is no line end\n\n",
            ["line\u2028separator\x0b\x0c\x85 is no line end"],
        ),
        ("", []),
    ],
)
def test_events_come_out_of_lines(stream: str, data: list[str]) -> None:
    """The rules of the HTML standard: line ends, fields, comments, and what an empty line does."""
    assert data_of(stream) == data


def test_a_name_belongs_to_one_event() -> None:
    """`event` names the event it stands in; the next is a `message` again."""
    assert events_of(b"event: ping\ndata: 1\n\ndata: 2\n\nevent: a\nevent: b\ndata: 3\n\n") == [
        ServerSentEvent("1", "ping"),
        ServerSentEvent("2"),
        ServerSentEvent("3", "b"),
    ]


def test_bytes_that_are_no_text_are_replaced() -> None:
    """Broken UTF-8 damages its own characters and nothing else."""
    assert [event.data for event in events_of(b"data: a\xff\xc3(b\n\ndata: c\n\n")] == ["a\ufffd\ufffd(b", "c"]


@pytest.mark.parametrize("chunk", [b"x" * 40, b"data: xxxx\n" * 4])
def test_an_event_without_end_is_refused(chunk: bytes) -> None:
    """A line or an event that only grows is given up at the bound, not at the end of memory."""
    reader = SseReader(event_characters_max=1000)
    fed = map(reader.feed, [chunk] * 1000)
    with pytest.raises(EventTooLong):
        list(fed)


def test_the_bound_is_of_one_event() -> None:
    """A stream may be as long as it likes."""
    reader = SseReader(event_characters_max=1000)
    assert sum(len(reader.feed(b"data: " + b"x" * 900 + b"\n\n")) for _ in range(100)) == 100


line_ends = st.sampled_from(["\n", "\r\n", "\r"])
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
lines = st.one_of(
    texts.map(lambda text: f"data: {text}"),
    texts.map(lambda text: f"data:{text}"),
    texts.map(lambda text: f": {text}"),
    texts.map(lambda text: f"event: {text}"),
    st.just(""),
    texts,
)
streams = st.lists(st.tuples(lines, line_ends).map("".join), max_size=20).map("".join)


@given(streams, st.data())
@example("data: ж\r\n\r\ndata: 😀\r\r\n", None)
def test_any_cut_gives_the_same_events(stream: str, data: st.DataObject | None) -> None:
    """Chunks may end anywhere: inside a letter, between CR and LF, in the middle of a field."""
    content = stream.encode()
    whole = events_of(content)
    assert events_of(*(content[place : place + 1] for place in range(len(content)))) == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=8)))
        edges = [0, *cuts, len(content)]
        assert events_of(*(content[a:b] for a, b in itertools.pairwise(edges))) == whole


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=6), line_ends)
def test_what_was_written_is_read(payloads: list[str], line_end: str) -> None:
    """Whatever a server writes line by line comes back, each line end as a line feed."""
    normal = [payload.replace("\r\n", "\n").replace("\r", "\n") for payload in payloads]
    stream = "".join(
        "".join(f"data: {line}{line_end}" for line in payload.split("\n")) + line_end for payload in normal
    )
    assert data_of(stream) == normal
