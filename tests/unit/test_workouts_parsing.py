"""A training log in words: what is understood of it, and that nothing is lost."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from posthouse_apps.workouts.parsing import SETS_MAX, Draft, Line, OutOfRange, WorkSet, kilograms, parse, to_text


def reps(count: int, kg: float | None = None) -> WorkSet:
    return WorkSet(count, None if kg is None else round(kg * 1000))


def held(seconds: int, kg: float | None = None) -> WorkSet:
    return WorkSet(None, None if kg is None else round(kg * 1000), seconds)


Expected = dict[str, list[WorkSet]]

SINGLE_PAIR: list[tuple[str, list[WorkSet]]] = [
    # the units say it
    ("squat 5x100kg", [reps(5, 100)]),
    ("squat 100kg x 5", [reps(5, 100)]),
    ("squat 100 кг х 5", [reps(5, 100)]),
    ("squat 8x20kg", [reps(8, 20)]),
    ("squat 3x8 reps", [reps(8)] * 3),
    ("squat 100x5 reps", [reps(5, 100)]),
    ("squat 8 reps x 3 sets", [reps(8)] * 3),
    ("squat 135 lb x 5", [WorkSet(5, 61_235)]),
    ("squat 5 x 225lbs", [WorkSet(5, 102_058)]),
    # a weight beside it
    ("bench 3x8 60kg", [reps(8, 60)] * 3),
    ("bench 3x8 60", [reps(8, 60)] * 3),
    ("bench 3x8 @ 60", [reps(8, 60)] * 3),
    ("bench 3x8 at 60 kg", [reps(8, 60)] * 3),
    ("bench 3x8 — 60kg", [reps(8, 60)] * 3),
    ("bench 60kg 3x8", [reps(8, 60)] * 3),
    ("bench 3x8, 60kg", [reps(8, 60)] * 3),
    ("bench 60kg, 3x8", [reps(8, 60)] * 3),
    ("bench 10x3 60kg", [reps(3, 60)] * 10),
    ("pull-ups 3x10 bodyweight", [reps(10, 0)] * 3),
    ("pull-ups bw 3x10", [reps(10, 0)] * 3),
    ("pull-ups 3x5 +20kg", [reps(5, 20)] * 3),
    ("pull-ups 3x5 bw+20kg", [reps(5, 20)] * 3),
    # the first cannot be reps
    ("squat 100x5", [reps(5, 100)]),
    ("squat 31x5", [reps(5, 31)]),
    ("squat 62,5x5", [reps(5, 62.5)]),
    ("squat 22.5x5", [reps(5, 22.5)]),
    ("squat 100x40", [reps(40, 100)]),
    # the second cannot be reps
    ("squat 5x100", [reps(5, 100)]),
    ("squat 5х31", [reps(5, 31)]),
    ("squat 3x12.5", [reps(3, 12.5)]),
    ("squat 5×62,5", [reps(5, 62.5)]),
    ("squat 5*100", [reps(5, 100)]),
    # both are small
    ("squat 5x5", [reps(5)] * 5),
    ("push-ups 3x30", [reps(30)] * 3),
    ("squat 6x30", [reps(6, 30)]),
    ("curl 12x15", [reps(12, 15)]),
    ("curl 8 по 10", [reps(10)] * 8),
]

OTHER_NOTATIONS: list[tuple[str, list[WorkSet]]] = [
    ("squat 3x8x60", [reps(8, 60)] * 3),
    ("squat 3x8x62.5kg", [reps(8, 62.5)] * 3),
    ("squat 3x8x62,5", [reps(8, 62.5)] * 3),
    ("squat 100x5x3", [reps(5, 100)] * 3),
    ("squat 20kg x 8 x 3", [reps(8, 20)] * 3),
    ("squat 3 sets of 8 at 60kg", [reps(8, 60)] * 3),
    ("squat 3 sets of 8 reps with 60 kg", [reps(8, 60)] * 3),
    ("squat 3 sets, 8 reps, 60kg", [reps(8, 60)] * 3),
    ("squat 60kg for 3 sets of 8", [reps(8, 60)] * 3),
    ("squat 60kg for 8", [reps(8, 60)]),
    ("squat 5 by 100", [reps(5, 100)]),
    ("squat 60kg 8, 8, 7", [reps(8, 60), reps(8, 60), reps(7, 60)]),
    ("squat 60kg: 8,8,7", [reps(8, 60), reps(8, 60), reps(7, 60)]),
    ("pull-ups 10 8 6", [reps(10), reps(8), reps(6)]),
    ("pull-ups 10", [reps(10)]),
    ("pull-ups x 10", [reps(10)]),
    ("push-ups 50 reps", [reps(50)]),
    ("squat 100x5 110x3", [reps(5, 100), reps(3, 110)]),
    ("squat 5x100,5x110", [reps(5, 100), reps(5, 110)]),
    ("squat 5x100 + 3x110 and 1x120", [reps(5, 100), reps(3, 110), reps(1, 120)]),
    ("plank 3x60s", [held(60)] * 3),
    ("plank 60 sec", [held(60)]),
    ("plank 1:30", [held(90)]),
    ("plank 2 min, 1 min 30 sec", [held(120), held(90)]),
    ("plank 1.5 min", [held(90)]),
    ("farmer's walk 3x40s 24kg", [held(40, 24)] * 3),
]

RUSSIAN: list[tuple[str, Expected]] = [
    (
        "жим лёжа 3 по 8 60 кг, потом присед 100х5, 110х3",
        {"жим лёжа": [reps(8, 60)] * 3, "присед": [reps(5, 100), reps(3, 110)]},
    ),
    ("жим стоя 3 подхода по 8 раз с 40 кг", {"жим стоя": [reps(8, 40)] * 3}),
    ("жим 3 раза по 8 с весом тела", {"жим": [reps(8, 0)] * 3}),
    ("жим 3 подхода, 8 повторений, 60 кг", {"жим": [reps(8, 60)] * 3}),
    ("жим 3 рабочих подхода по 8 на 60 кг", {"жим": [reps(8, 60)] * 3}),
    ("жим 3х8 по 60 кг", {"жим": [reps(8, 60)] * 3}),
    ("жим 60 кг на 8 раз", {"жим": [reps(8, 60)]}),
    ("присед 5 на 100", {"присед": [reps(5, 100)]}),
    ("присед 5 раз по 100 кг", {"присед": [reps(5, 100)]}),
    ("подтягивания 3х10 без веса", {"подтягивания": [reps(10, 0)] * 3}),
    ("подтягивания с собственным весом 10, 8", {"подтягивания": [reps(10, 0), reps(8, 0)]}),
    ("планка 60 сек, 45 с", {"планка": [held(60), held(45)]}),
    ("планка 3 по 60 секунд", {"планка": [held(60)] * 3}),
    ("планка 1 мин 30 сек", {"планка": [held(90)]}),
    (
        "тяга с паузой 5х100; выпады с гантелями 3х10 16 кг",
        {
            "тяга с паузой": [reps(5, 100)],
            "выпады с гантелями": [reps(10, 16)] * 3,
        },
    ),
    ("Присед\n100х5\n110х3\n\nЖим\n60х8", {"Присед": [reps(5, 100), reps(3, 110)], "Жим": [reps(8, 60)]}),
    ("10 подтягиваний, затем 20 отжиманий", {"подтягиваний": [reps(10)], "отжиманий": [reps(20)]}),
    ("присед 62,5х5 а потом 65,0х3", {"присед": [reps(5, 62.5), reps(3, 65)]}),
]

ENGLISH: list[tuple[str, Expected]] = [
    ("squat 5x100, then bench 3x8 60kg", {"squat": [reps(5, 100)], "bench": [reps(8, 60)] * 3}),
    ("squat 5x100 and then bench 8x60", {"squat": [reps(5, 100)], "bench": [reps(8, 60)]}),
    ("squat 5x100 bench 3x8 60kg", {"squat": [reps(5, 100)], "bench": [reps(8, 60)] * 3}),
    ("squat 100x5, 110x3, 120x1", {"squat": [reps(5, 100), reps(3, 110), reps(1, 120)]}),
    ("Squat: 5x100. Bench: 8x60.", {"Squat": [reps(5, 100)], "Bench": [reps(8, 60)]}),
    ("1. squat 5x100\n2) bench 8x60", {"squat": [reps(5, 100)], "bench": [reps(8, 60)]}),
    ("- squat - 5x100\n- bench - 8x60", {"squat": [reps(5, 100)], "bench": [reps(8, 60)]}),
    ("clean and jerk 3x60 and squat 5x100", {"clean and jerk": [reps(3, 60)], "squat": [reps(5, 100)]}),
    ("10 pull-ups, 3x15 dips", {"pull-ups": [reps(10)], "dips": [reps(15)] * 3}),
    ("bodyweight squats 3x20", {"bodyweight squats": [reps(20)] * 3}),
    ("row with rope 12x25", {"row with rope": [reps(12, 25)]}),
]


@pytest.mark.parametrize(("text", "sets"), SINGLE_PAIR)
def test_a_pair_of_numbers_is_read_by_the_first_rule_that_fits(text: str, sets: list[WorkSet]) -> None:
    """Units, then a weight beside the pair, then what the numbers can be decide what a pair means."""
    draft = parse(text)
    assert [line.sets for line in draft.lines] == [sets]
    assert (draft.unclear, draft.problems) == ([], [])


@pytest.mark.parametrize(("text", "sets"), OTHER_NOTATIONS)
def test_other_notations_are_understood(text: str, sets: list[WorkSet]) -> None:
    """Triples, phrases, lists of reps and times become sets."""
    draft = parse(text)
    assert [line.sets for line in draft.lines] == [sets]
    assert (draft.unclear, draft.problems) == ([], [])


@pytest.mark.parametrize(("text", "expected"), ENGLISH + RUSSIAN)
def test_a_log_in_words_becomes_lines(text: str, expected: Expected) -> None:
    """Clauses name exercises, or go on with the last one, in English and in Russian."""
    draft = parse(text)
    assert {line.exercise_text: line.sets for line in draft.lines} == expected
    assert (draft.unclear, draft.problems) == ([], [])


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("squat 5x100 (easy, fast)", "easy, fast"),
        ("squat (with pause) 5x100", "with pause"),
        ("(warm) squat 5x100, 3x110 (belt)", "warm; belt"),
        ("squat 5x100 RPE 8", "RPE 8"),
        ("присед 5х100\n(тяжело)", "тяжело"),
        ("squat 5x100 ()", ""),
    ],
)
def test_a_note_stays_with_its_exercise(text: str, note: str) -> None:
    """What stands in parentheses, and a rated effort, is kept word by word."""
    draft = parse(text)
    assert [line.note for line in draft.lines] == [note]
    assert draft.unclear == []


@pytest.mark.parametrize(
    ("text", "understood", "unclear"),
    [
        ("hello there", 0, ["hello there"]),
        ("squat", 0, ["squat"]),
        ("5x100", 0, ["5x100"]),
        ("squat 5x", 0, ["squat 5x"]),
        ("squat 100kg", 0, ["squat 100kg"]),
        ("squat 8-10", 0, ["squat 8-10"]),
        ("squat 8 - 10 reps", 0, ["squat 8 - 10 reps"]),
        ("squat 5/3/1", 0, ["squat 5/3/1"]),
        ("squat 80% x 5", 0, ["squat 80% x 5"]),
        ("squat 5x100@8", 0, ["squat 5x100@8"]),
        ("squat 3x8x60x2", 0, ["squat 3x8x60x2"]),
        ("squat 2.5 reps", 0, ["squat 2.5 reps"]),
        ("push-ups 50", 0, ["push-ups 50"]),
        ("three by eight", 0, ["three by eight"]),
        ("squat 5x100, 3x8-10, 3x110", 1, ["3x8-10"]),
        ("squat 5x100 felt heavy, bench 8x60", 2, ["felt heavy"]),
        ("squat 5x100 💪", 1, ["💪"]),
        ("12.05.2024 squat 5x100", 1, ["12.05.2024"]),
        ("squat 5x100, stretched (a bit)", 1, ["stretched", "a bit"]),
        ("(только заметка)", 0, ["только заметка"]),
    ],
)
def test_what_is_not_understood_is_given_back(text: str, understood: int, unclear: list[str]) -> None:
    """Pieces without meaning are returned in the order of the text; numbers between commas are read whole or not."""
    draft = parse(text)
    assert len(draft.lines) == understood
    assert draft.unclear == unclear
    assert draft.problems == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("squat 1000 reps", OutOfRange("reps", 1000, 1, 999, "squat 1000 reps")),
        ("squat 0x100", OutOfRange("reps", 0, 1, 999, "squat 0x100")),
        ("squat 5x1000.5kg", OutOfRange("weight", 1_000_500, 0, 1_000_000, "squat 5x1000.5kg")),
        ("squat 51 sets of 5", OutOfRange("sets", 51, 1, 50, "squat 51 sets of 5")),
        ("plank 300 min", OutOfRange("seconds", 18_000, 1, 14_400, "plank 300 min")),
        ("squat 5x" + "9" * 500 + "kg", OutOfRange("weight", 10**12, 0, 1_000_000, "squat 5x" + "9" * 500 + "kg")),
        ("5" * 1001, OutOfRange("text", 1001, 1, 1000, "")),
    ],
)
def test_a_number_that_cannot_be_true_is_named(text: str, problem: OutOfRange) -> None:
    """A value out of range is a problem that says which, where and what is allowed; its sets are left out."""
    draft = parse(text)
    assert draft.problems == [problem]
    assert (draft.lines, draft.unclear) == ([], [])


def test_the_largest_values_are_allowed() -> None:
    """999 reps, a ton, four hours and fifty sets are within the limits."""
    draft = parse("squat 999x1000kg; bench 48 sets of 5; plank 240 min")
    assert [len(line.sets) for line in draft.lines] == [1, 48, 1]
    assert (draft.unclear, draft.problems) == ([], [])


def test_a_draft_has_at_most_fifty_sets() -> None:
    """The group that would exceed the limit is a problem; what came before it stays."""
    draft = parse("squat 30x5 60kg, 20x5 70kg, 1x80")
    assert len(draft.lines[0].sets) == SETS_MAX
    assert draft.problems == [OutOfRange("sets", 51, 1, 50, "squat 1x80")]


def test_one_bad_number_leaves_the_rest_of_the_log() -> None:
    """A problem in one group does not touch the others."""
    draft = parse("squat 5x2000kg, 5x200; bench 8x60")
    assert draft.lines == [Line("squat", [reps(5, 200)]), Line("bench", [reps(8, 60)])]
    assert [problem.what for problem in draft.problems] == ["weight"]


def test_an_empty_text_is_an_empty_draft() -> None:
    """Nothing said is nothing understood, nothing unclear and no problem."""
    assert parse("  \n ") == Draft([], [], [])


@pytest.mark.parametrize(("weight_g", "text"), [(0, "0"), (60_000, "60"), (62_500, "62.5"), (61_235, "61.235")])
def test_kilograms_have_no_idle_zeros(weight_g: int, text: str) -> None:
    """Grams are shown as kilograms with a point and no zeros that say nothing."""
    assert kilograms(weight_g) == text


def test_the_plain_notation_of_lines() -> None:
    """Equal sets in a row are written once, with all units, so that a person can change them."""
    lines = parse("squat 100x5, 110x3, 110x3 (belt), plank 60s; pull-ups 3x10 bw, 8 reps").lines
    assert to_text(lines) == ("squat: 5x100kg, 2x3x110kg (belt)\nplank: 60s\npull-ups: 3x10 reps bw, 8 reps")


amounts = st.one_of(st.none(), st.just(0), st.integers(1, 1_000_000))
work_sets = st.one_of(
    st.builds(WorkSet, reps=st.integers(1, 999), weight_g=amounts),
    st.builds(WorkSet, seconds=st.integers(1, 14_400), weight_g=amounts),
)
lines = st.builds(
    Line,
    exercise_text=st.sampled_from(
        ["squat", "жим лёжа", "T-bar row", "clean and jerk", "тяга с паузой", "farmer's walk"]
    ),
    sets=st.lists(work_sets, min_size=1, max_size=5).flatmap(
        lambda sets: st.integers(1, 5).map(lambda times: [one for one in sets for _ in range(times)][:10])
    ),
    note=st.sampled_from(["", "easy", "тяжело, 8 из 10"]),
)


@given(st.lists(lines, max_size=4))
def test_the_plain_notation_reads_back(written: list[Line]) -> None:
    """Lines written out and parsed are the same lines, with nothing left over."""
    assert parse(to_text(written)) == Draft(written, [], [])


PIECES = [
    *("squat", "жим лёжа", "felt", "щ", "5", "3", "100", "8", "60", "62,5", "1:30", "8-10", "99999", "x5", "1.", "0"),
    *("x", "х", "×", "по", "of", "at", "с", "на", "@", "kg", "кг", "lb", "s", "сек", "min", "sets", "раз", "reps"),
    *(",", ";", "\n", "then", "потом", "и", "and", " ", "-", "—", ":", "+", ".", "(", "easy", ")", "bw", "без веса"),
    *("bodyweight", "RPE 8", "%", "💪", "_", "'", "²", "٣"),
]
logs = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(PIECES), max_size=15).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=15).map(" ".join),
)


@settings(deadline=None, max_examples=400)
@given(logs)
@example("BW:×:1")  # a name that would read back as a weight
@example("BW:×:squat 1")
def test_any_text_becomes_a_draft_that_survives_json_and_its_own_notation(text: str) -> None:
    """Parsing never raises; a draft comes back from JSON equal, and its lines from the plain notation."""
    draft = parse(text)
    assert msgspec.json.decode(msgspec.json.encode(draft), type=Draft) == draft
    assert parse(to_text(draft.lines)).lines == draft.lines
    assert sum(len(line.sets) for line in draft.lines) <= SETS_MAX


STRANGE_WORDS = ("щука", "zebra", "felt", "жёлтый")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([*STRANGE_WORDS, *PIECES]), max_size=15).map(" ".join))
def test_no_word_is_lost(text: str) -> None:
    """A word without meaning in the notation comes back as often as it was said: as a name, a note or unclear."""
    draft = parse(text)
    kept = [line.exercise_text + " " + line.note for line in draft.lines]
    kept += draft.unclear + [problem.text for problem in draft.problems]
    for word in STRANGE_WORDS:
        assert " ".join(kept).count(word) >= text.count(word)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from([piece for piece in PIECES if piece not in ("1.", ".", ")")]), max_size=12).map(" ".join)
)
def test_no_number_is_lost_where_nothing_is_understood(text: str) -> None:
    """A text without a single set is given back with all its digits. (Numbers of a list, `1.`, are no content.)"""
    draft = parse(text)
    if not draft.lines:
        given_back = " ".join([*draft.unclear, *(problem.text for problem in draft.problems)])
        for digit in "0123456789":
            assert given_back.count(digit) >= text.count(digit)
