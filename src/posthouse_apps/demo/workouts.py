"""A native bot: counts training sets, takes one back, reminds, and draws up a summary in the background."""

from __future__ import annotations

import re
import time
from datetime import timedelta

from posthouse import App, Job, Turn

app = App("workouts")

SET = re.compile(r"([a-z]+) (\d{1,3})x(\d{1,3})$", re.IGNORECASE)


@app.command("start")
async def start(turn: Turn) -> None:
    turn.say(f"Hello {turn.person['first_name']}! You have {count(turn)} sets. Send me one, like: squat 5x100")


@app.text(SET)
async def record(turn: Turn) -> None:
    exercise, times, weight_kg = SET.match(turn.text).groups()  # type: ignore[union-attr]
    load_kg = int(times) * int(weight_kg)
    number = turn.session["sets"] = count(turn) + 1
    turn.session["total_kg"] = total_kg(turn) + load_kg
    turn.session["last"] = [number, load_kg]
    turn.say(
        f"Set {number}: {exercise} {times}x{weight_kg}. Total {total_kg(turn):,} kg",
        handle=f"set-{number}",  # Telegram's id of this message is not known yet: it has not been sent
        reply_markup={"inline_keyboard": [[{"text": "Undo last", "callback_data": "undo"}]]},
    )


@app.callback("undo")
async def undo(turn: Turn) -> None:
    if not turn.session.get("last"):
        turn.answer("There is nothing to take back")
        return
    number, load_kg = turn.session.pop("last")
    turn.session["total_kg"] = total_kg(turn) - load_kg
    turn.answer(f"Set {number} is taken back")
    turn.edit(f"set-{number}", f"(set {number} taken back) Total {total_kg(turn):,} kg")


@app.text(re.compile(r"remind me to (.+)", re.IGNORECASE))
async def remind(turn: Turn) -> None:
    what = turn.text[len("remind me to ") :]
    turn.after(timedelta(seconds=4), "reminder", data=what)
    turn.say(f"I will remind you to {what} in 4 seconds")


@app.event("reminder")
async def reminder(turn: Turn) -> None:
    _, what = turn.event
    turn.say(f"Reminder: {what}!")


@app.command("summary")
async def summary(turn: Turn) -> None:
    turn.enqueue(render, sets=count(turn), total_kg=total_kg(turn))


@app.job(queue="render", attempts_max=50)  # a killed process is not the job's fault
def render(job: Job, *, sets: int, total_kg: int) -> None:
    """Takes its time, as rendering does, in a thread; what it says at the end is committed with its end."""
    for done in (25, 50, 75):
        job.progress(f"Drawing up your summary: {done} %")
        time.sleep(0.7)
    job.edit(job.progress_handle, "Drawing up your summary: done")
    job.say(f"Summary: {sets} sets, {total_kg:,} kg")


@app.text()
async def help(turn: Turn) -> None:
    turn.say("I understand sets like: squat 5x100, then: remind me to stretch, and /summary")


def count(turn: Turn) -> int:
    return int(turn.session.get("sets", 0))


def total_kg(turn: Turn) -> int:
    return int(turn.session.get("total_kg", 0))
