"""Which exercise a person means."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse_apps.workouts.catalogue import (
    CANDIDATES_MAX,
    EXERCISES,
    SHARED,
    Ambiguous,
    Found,
    Match,
    Unknown,
    name_of,
    normalise,
    resolve,
)


@pytest.mark.req("C4-4")
def test_what_the_person_chose_before_comes_first() -> None:
    """The person's own mapping is stronger than a shared synonym, a name and similarity."""
    for words in ("press", "bench", "bench press", "bech press", "my thing"):
        assert resolve(words, own={words: "leg_press"}) == Found("leg_press", "own")


@pytest.mark.req("C4-4")
def test_a_shared_synonym_comes_before_a_name() -> None:
    """A person's own exercise does not take a word that everybody uses for another; a choice of theirs does."""
    assert resolve("bench", extra_names={"bench": "own-1"}) == Found("bench_press", "synonym")
    assert resolve("bench", extra_names={"bench": "own-1"}, own={"bench": "own-1"}) == Found("own-1", "own")


@pytest.mark.req("C4-4")
def test_an_exact_name_comes_before_similar_ones() -> None:
    """A name is found as it is, however similar another one is."""
    assert resolve("front squat", extra_names={"front squats": "own-1"}) == Found("front_squat", "name")
    assert resolve("sqat", extra_names={"Sqat": "own-1"}) == Found("own-1", "name")


@pytest.mark.req("C4-4")
def test_a_similar_name_comes_last_before_asking() -> None:
    """Without an exact answer the most similar name is taken, and without one the person is asked."""
    assert resolve("sqat") == Found("squat", "fuzzy")
    assert resolve("underwater hockey") == Unknown([])


@pytest.mark.parametrize(
    ("text", "exercise_id"),
    [
        ("squat", "squat"),
        ("Присед", "squat"),
        ("приседания", "squat"),
        ("bench", "bench_press"),
        ("ЖИМ ЛЕЖА", "bench_press"),
        ("жим лёжа!", "bench_press"),
        ("deadlift", "deadlift"),
        ("становая", "deadlift"),
        ("military press", "overhead_press"),
        ("жим стоя", "overhead_press"),
        ("тяга в наклоне", "barbell_row"),
        ("Pull-Ups", "pull_up"),
        ("pullups", "pull_up"),
        ("турник", "pull_up"),
        ("брусья", "dip"),
        ("бицепс", "biceps_curl"),
        ("curl", "biceps_curl"),
        ("выпады", "lunge"),
        ("планка", "plank"),
        ("Farmers walk", "farmers_walk"),
        ("бурпи", "burpee"),
        ("толчок", "clean_and_jerk"),
    ],
)
def test_names_and_synonyms_are_found(text: str, exercise_id: str) -> None:
    """Names in both languages and what people call them lead to the exercise."""
    match = resolve(text)
    assert isinstance(match, Found)
    assert (match.exercise_id, match.by in ("synonym", "name")) == (exercise_id, True)


@pytest.mark.parametrize(
    ("text", "exercise_id"),
    [
        ("sqat", "squat"),
        ("squatt", "squat"),
        ("bech press", "bench_press"),
        ("press bench", "bench_press"),
        ("deadlfit", "deadlift"),
        ("dumbell row", "dumbbell_row"),
        ("front sqat", "front_squat"),
        ("присид", "squat"),
        ("становую тягу", "deadlift"),
        ("подтягиваний", "pull_up"),
        ("отжиманий", "push_up"),
        ("жима лёжа", "bench_press"),
        ("планку", "plank"),
    ],
)
def test_typos_endings_and_order_are_forgiven(text: str, exercise_id: str) -> None:
    """One wrong letter in a word, another grammatical ending or another order of words still finds the exercise."""
    assert resolve(text) == Found(exercise_id, "fuzzy")


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("press", ["bench_press", "overhead_press", "leg_press", "incline_bench_press"]),
        ("жим", ["bench_press", "overhead_press", "leg_press", "incline_bench_press"]),
        ("Row", ["barbell_row", "dumbbell_row", "cable_row", "t_bar_row"]),
        ("тяга", ["deadlift", "barbell_row", "lat_pulldown", "cable_row"]),
        ("жим гантелей", ["dumbbell_bench_press", "dumbbell_shoulder_press", "incline_dumbbell_press"]),
        ("dumbell press", ["dumbbell_bench_press", "dumbbell_shoulder_press", "incline_dumbbell_press"]),
    ],
)
@pytest.mark.req("C4-4")
def test_a_word_of_several_exercises_is_a_question(text: str, candidates: list[str]) -> None:
    """A word that names several exercises gives them, the likeliest first, also with a typo."""
    assert resolve(text) == Ambiguous(candidates)


@pytest.mark.parametrize(
    ("text", "first"),
    [("heavy squat", "squat"), ("присед с паузой", "squat"), ("жим лёжа узким", "close_grip_bench_press")],
)
def test_a_name_among_other_words_is_offered_and_not_taken(text: str, first: str) -> None:
    """More words may mean another exercise, so the known one is a suggestion."""
    match = resolve(text)
    assert isinstance(match, Unknown)
    assert match.suggestions[0] == first


@pytest.mark.parametrize("text", ["", "  ", "💪", "xx", "!!!"])
def test_too_little_is_unknown(text: str) -> None:
    """Nothing, and two letters, are similar to everything and therefore mean nothing."""
    assert resolve(text) == Unknown([])


def test_the_persons_own_exercises_are_found_with_a_typo() -> None:
    """The names a person made take part in the search for similar ones."""
    assert resolve("zercher sqats", extra_names={"Zercher squats": "own-7"}) == Found("own-7", "fuzzy")


def test_keys_of_the_own_mapping_may_be_written_in_any_way() -> None:
    """The person's words are compared without case, punctuation and ё."""
    assert resolve("мой жим — лёжа", own={"Мой ЖИМ лежа": "bench_press"}) == Found("bench_press", "own")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("  Жим  ЛЁЖА! ", "жим лежа"),
        ("Pull-Up", "pull up"),
        ("farmer’s walk", "farmers walk"),
        ("ｓｑｕａｔ_1", "squat 1"),
    ],
)
def test_names_are_compared_in_one_form(text: str, normal: str) -> None:
    """Case, punctuation, width and ё do not matter."""
    assert normalise(text) == normal


def test_names_follow_the_language() -> None:
    """Russian for `ru`, English for any other language."""
    assert name_of("bench_press", "ru") == "жим лёжа"
    assert name_of("bench_press", "en") == name_of("bench_press", "de") == "bench press"
    with pytest.raises(KeyError):
        name_of("own-1", "en")


def test_no_word_of_the_catalogue_names_two_exercises_by_accident() -> None:
    """A name or synonym belongs to one exercise; words that are shared are listed as shared, with known ids."""
    owners: dict[str, str] = {}
    for exercise in EXERCISES.values():
        for name in {normalise(name) for name in (exercise.en, exercise.ru, *exercise.synonyms)}:
            assert owners.setdefault(name, exercise.id) == exercise.id, name
    assert not owners.keys() & SHARED.keys()
    for word, exercise_ids in SHARED.items():
        assert word == normalise(word)
        assert 2 <= len(exercise_ids) <= CANDIDATES_MAX
        assert set(exercise_ids) <= EXERCISES.keys()


def test_every_name_of_the_catalogue_finds_its_exercise() -> None:
    """At least forty exercises, each reached by each of its names."""
    assert len(EXERCISES) >= 40
    for exercise in EXERCISES.values():
        for name in (exercise.en, exercise.ru, *exercise.synonyms):
            match = resolve(name)
            assert isinstance(match, Found)
            assert match.exercise_id == exercise.id


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=150))
def test_any_text_is_answered_with_known_exercises(text: str) -> None:
    """Whatever is said, the answer survives JSON and names at most four exercises, all in the catalogue."""
    match = resolve(text)
    assert msgspec.json.decode(msgspec.json.encode(match), type=Match) == match
    named = (
        [match.exercise_id]
        if isinstance(match, Found)
        else match.candidates
        if isinstance(match, Ambiguous)
        else match.suggestions
    )
    assert len(named) <= CANDIDATES_MAX
    assert set(named) <= EXERCISES.keys()
