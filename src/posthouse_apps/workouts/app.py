"""Commands of the training log; the dialogues are in `talks`."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby

from posthouse import App, Turn
from posthouse.programs.conversations.wants import read_date
from posthouse_apps.workouts import diary, talks
from posthouse_apps.workouts.drawing import draw
from posthouse_apps.workouts.history import to_csv
from posthouse_apps.workouts.parsing import parse
from posthouse_apps.workouts.wording import exercise_name, messages, record_lines, records_text, spoken

app = App("workouts", texts=messages, tables=diary.metadata)

app.job("workouts.draw", queue="charts")(draw)
log = app.conversation("workout.log")(talks.log)
correct = app.conversation("workout.correct")(talks.correct)
show_progress = app.conversation("workout.progress")(talks.show_progress)


@app.command("start")
async def start(turn: Turn) -> None:
    turn.say(turn.t("start", name=turn.person["first_name"]))


@app.command("help")
async def help(turn: Turn) -> None:
    turn.say(turn.t("help"))


@app.command("history")
async def history(turn: Turn) -> None:
    records = await turn.transact(diary.last_days, turn.person["id"])
    if not records:
        turn.say(turn.t("history.none"))
        return
    days = [
        f"{turn.t('history.day', day=day)}\n{record_lines(list(sets), turn.t, turn.language)}"
        for day, sets in groupby(records, key=lambda record: record.day)
    ]
    turn.say("\n\n".join(days)[-4000:])


@app.command("records")
async def records(turn: Turn) -> None:
    trained = await turn.transact(diary.records_of, turn.person["id"])
    turn.say(records_text(trained, turn.t, turn.language)[:4000] if trained else turn.t("records.none"))


@app.command("progress")
async def progress(turn: Turn) -> None:
    await show_progress.begin(turn, wanted=argument(turn))


@app.command("edit")
async def edit(turn: Turn) -> None:
    written = argument(turn)
    day = read_date(written, datetime.fromtimestamp(turn.moment, UTC).date()) if written else None
    await correct.begin(turn, day=day.isoformat() if day else None)


@app.command("export")
async def export(turn: Turn) -> None:
    trained = await turn.transact(diary.records_of, turn.person["id"])
    if not trained:
        turn.say(turn.t("history.none"))
        return
    names = {record.exercise: exercise_name(record.exercise, turn.language) for record in trained}
    table = to_csv(trained, spoken(turn.language), names=names)
    turn.document(table, filename="workouts.csv", caption=turn.t("export.caption", n=len(trained)))


@app.command("cancel")
async def cancel(turn: Turn) -> None:
    """There was nothing to cancel: a dialogue hears the word itself."""
    turn.say(turn.t("help"))


@app.text()
async def write(turn: Turn) -> None:
    """Sets in words begin a draft."""
    draft = parse(turn.text)
    if draft.lines or draft.problems:
        await log.begin(turn, text=turn.text)
    else:
        turn.say(turn.t("not_understood"))


@app.on("message")
async def other(turn: Turn) -> None:
    """A photo, a voice message, a sticker."""
    turn.say(turn.t("only_text"))


def argument(turn: Turn) -> str | None:
    """What stands behind the command."""
    return turn.text.partition(" ")[2].strip() or None
