"""The training log as people live it: dialogues that a restart does not disturb."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from PIL import Image
from workouts_stage import Gym, push, seen, tell

pytestmark = pytest.mark.req("S4-1")


@pytest.mark.req("C4-1")
async def test_a_log_in_words_becomes_a_draft_and_then_history(gym: Gym) -> None:
    """What was understood is shown; saved it is in the history, and the records are told."""
    async with gym.open():
        ann = await gym.visitor("Ann")
        await tell(ann, "/start", "Hello, Ann!")
        await tell(
            ann, "squat 5x100, then bench 3x8 60kg", "• Squat: 5 × 100 kg\n• Bench press: 3 × 8 × 60 kg",
            buttons=["✅ Save", "✏️ Edit", "🗑 Cancel"],
        )  # fmt: skip
        await push(ann, "✅ Save", "Saved: 4 sets.")
        await tell(ann, "squat 5x110", "Squat: 5 × 110 kg")
        await push(ann, "✅ Save", "Saved: 1 set.\n🏆 Squat: 110 kg, the heaviest so far (before: 100 kg)")
        await tell(ann, "/history", "• Squat: 5 × 100 kg\n• Bench press: 3 × 8 × 60 kg\n• Squat: 5 × 110 kg")
        await tell(ann, "/records", "• Squat: heaviest 5 × 110 kg, estimated max 128.333 kg")


@pytest.mark.req("E4-1", "S4-2", "S4-3", "S4-9")
async def test_an_edit_goes_on_after_a_restart(gym: Gym) -> None:
    """Press Edit, restart, send the text: the edit completes, and the draft can be saved."""
    async with gym.open():
        ann = await gym.visitor("Ann")
        await tell(ann, "squat 5x100", "Squat: 5 × 100 kg")
        await push(ann, "✏️ Edit", "Send the whole log as it should be")
    async with gym.open():
        await tell(ann, "squat 5x105", "Squat: 5 × 105 kg", buttons=["✅ Save"])
        await push(ann, "✅ Save", "Saved: 1 set.")
        await tell(ann, "/history", "Squat: 5 × 105 kg")


@pytest.mark.req("C4-4")
async def test_an_ambiguous_exercise_is_asked_for_once(gym: Gym) -> None:
    """“press” may be several exercises: the person chooses, and next time it is known. Restarts do not matter."""
    async with gym.open():
        boris = await gym.visitor("Борис", language="ru")
        await tell(boris, "жим 5x80", "Какое упражнение «жим»?", buttons=["Пропустить"])
    async with gym.open():
        await push(boris, "Жим лёжа", "• Жим лёжа: 5 × 80 кг")
        await push(boris, "✅ Сохранить", "Сохранено: 1 подход.")
        await tell(boris, "жим 5x85", "• Жим лёжа: 5 × 85 кг")


async def test_a_new_exercise_keeps_its_own_name(gym: Gym) -> None:
    """What nobody knows can be kept under the person's own name, or left out."""
    async with gym.open():
        ann = await gym.visitor("Ann")
        await tell(ann, "zorbling 8x20, squat 5x100", "Which exercise is “zorbling”?")
        await push(ann, "➕ New: zorbling", "• zorbling: 8 × 20 kg\n• Squat: 5 × 100 kg")
        await push(ann, "✅ Save", "Saved: 2 sets.")
        await tell(ann, "frobbing 8x20", "Which exercise is “frobbing”?")
        await push(ann, "Leave it out", "Nothing is left of it")


async def test_a_draft_takes_more_sets_and_can_be_thrown_away(gym: Gym) -> None:
    """There is one draft a person: what is written meanwhile is added; Cancel saves nothing (C4-1)."""
    async with gym.open():
        ann, bob = await gym.visitor("Ann"), await gym.visitor("Bob")
        first = await tell(ann, "squat 5x100", "Squat: 5 × 100 kg")
        await tell(ann, "bench 3x8 60kg", "• Squat: 5 × 100 kg\n• Bench press: 3 × 8 × 60 kg")
        assert not (await ann.chat.messages())[first.id - 1].buttons  # the first draft's buttons are gone
        await tell(bob, "/history", "Nothing is saved yet.")
        await push(ann, "🗑 Cancel", "Thrown away. Nothing was saved.")
        await tell(ann, "/history", "Nothing is saved yet.")


async def test_what_cannot_be_is_named(gym: Gym) -> None:
    """Odd texts, weights and media are answered, and nothing is lost."""
    async with gym.open():
        ann = await gym.visitor("Ann")
        await tell(ann, "hello there", "I found no sets in that.")
        await tell(ann, "squat 5x5000kg, bench 3x8 60kg", "that weight cannot be", "• Bench press: 3 × 8 × 60 kg")
        await ann.says("/cancel")
        await seen(ann.chat, "Left. Nothing was changed.")
        await ann.sends_voice(b"OggS", duration_s=1)
        await seen(ann.chat, "I can read text only")


@pytest.mark.req("C4-8")
async def test_a_day_can_be_corrected_or_deleted(gym: Gym) -> None:
    """/edit shows a day and puts another in its place."""
    async with gym.open():
        ann = await gym.visitor("Ann")
        await tell(ann, "squat 5x100", "Squat")
        await push(ann, "✅ Save", "Saved")
        await tell(ann, "/edit", "Which day?")
        await tell(ann, "someday", "I need a day")
        await tell(ann, "today", "• Squat: 5 × 100 kg", buttons=["🗑 Delete the day"])
        await tell(ann, "squat 5x102,5", "is now:\n\n• Squat: 5 × 102.5 kg")
        await tell(ann, "/edit today", "• Squat: 5 × 102.5 kg")
        await push(ann, "🗑 Delete the day", "The day is deleted.")
        await tell(ann, "/history", "Nothing is saved yet.")
        await tell(ann, "/edit yesterday", "Nothing is saved for")


async def test_progress_is_a_picture_and_the_diary_a_table(gym: Gym) -> None:
    """A chart is drawn in a job and sent as a photo; the export is a table for a spreadsheet."""
    async with gym.open():
        boris = await gym.visitor("Борис", language="ru")
        await tell(boris, "/progress", "По этому упражнению пока ничего нет.")
        await tell(boris, "присед 5x100", "Присед")
        await push(boris, "✅ Сохранить", "Сохранено")
        await tell(boris, "/progress", "По какому упражнению?")
        chart = await push(boris, "Присед", media="photo")
        assert chart.text == "Присед: 1 день"  # in Russian although a job has no person
        assert Image.open(io.BytesIO(await boris.chat.file(chart))).size[0] >= 800
        table = await tell(boris, "/export", media="document")
        rows = list(csv.reader(io.StringIO((await boris.chat.file(table)).decode("utf-8-sig"))))
        assert rows[1][1:4] == ["присед", "5", "100"]


@pytest.mark.req("S2-75", "E2-11")
def test_every_text_is_there_in_every_language() -> None:
    """No key is missing, unknown or unused."""
    import posthouse_apps.workouts
    from posthouse.kits.i18n import assert_complete
    from posthouse_apps.workouts.wording import messages

    assert_complete(messages, Path(posthouse_apps.workouts.__file__).parent)
