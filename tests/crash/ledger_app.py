"""The bot of the ledger: every update leaves exactly one mark in each place that a turn can write to.

    session   the update's number at the end of the chat's list, and a digest that depends on the order
    table     every fifth number, through `turn.transact`
    timer     every thirteenth number comes back as an event, and is marked in the list of timers
    job       every eleventh number is worked on outside the turn, and its end is marked in the list of jobs
    outbox    one message for each mark, whose text is the mark

Some turns fail at their first try, so that retries are part of the road.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Any

from sqlalchemy import Connection, text

from posthouse import App, Job, Turn

BOT_ID = 4242
TRANSACT_EVERY, TIMER_EVERY, JOB_EVERY, FAIL_EVERY = 5, 13, 11, 17

app = App("ledger")


def digest_after(digest: str, number: int) -> str:
    """The digest of a chat after one more update: two orders never give the same."""
    return hashlib.sha256(f"{digest}/{number}".encode()).hexdigest()[:16]


def insert(connection: Connection, chat: int, number: int) -> None:
    connection.execute(
        text("INSERT INTO app_ledger (chat, number) VALUES (:chat, :number)"), {"chat": chat, "number": number}
    )


@app.text("bomb")
async def bomb(turn: Turn) -> None:
    """Takes the whole process along, as a crash in a C library would."""
    record("bomb")
    os._exit(9)


@app.text("late bomb")
async def late_bomb(turn: Turn) -> None:
    """The same, when the turns beside it have begun and none has ended."""
    await asyncio.sleep(0.1)
    await bomb(turn)


@app.text("slow")
async def slow(turn: Turn) -> None:
    """Still under way when a late bomb goes off."""
    await asyncio.sleep(0.5)
    mark(turn, turn.entry.entry_id)


@app.text("hold")
async def hold(turn: Turn) -> None:
    """Keeps its lane in the process whose life is named `holder`, and is quick in every other."""
    if os.environ.get("LEDGER_LIFE") == "holder":
        record(f"held-{turn.lane}")
        await asyncio.Event().wait()
    mark(turn, turn.entry.entry_id)


@app.text()
async def update(turn: Turn) -> None:
    number = turn.entry.entry_id
    if number % FAIL_EVERY == 0 and turn.attempt == 1:
        raise RuntimeError(f"update {number} fails at its first try")
    if number % TRANSACT_EVERY == 0:
        await turn.transact(insert, turn.lane, number)
    if number % TIMER_EVERY == 0:
        turn.after(0.01, "later", data=number)
    if number % JOB_EVERY == 0:
        turn.enqueue(work, number=number, notify=True, data=number)
    mark(turn, number)


def mark(turn: Turn, number: int) -> None:
    session = turn.session
    session.setdefault("seen", []).append(number)
    session["digest"] = digest_after(session.get("digest", ""), number)
    turn.say(f"update-{number}")


@app.event("later")
async def later(turn: Turn) -> None:
    _, number = turn.event
    turn.session.setdefault("timers", []).append(number)
    turn.say(f"timer-{number}")


@app.job(attempts_max=60)
async def work(job: Job, number: int) -> int:
    return number


@app.event("work")
async def worked(turn: Turn) -> None:
    _, end = turn.event
    turn.session.setdefault("jobs", []).append(end["data"])
    turn.say(f"job-{end['data']}")


def expected_marks(number: int) -> list[str]:
    """The texts that an update must lead to."""
    marks = [f"update-{number}"]
    if number % TIMER_EVERY == 0:
        marks.append(f"timer-{number}")
    if number % JOB_EVERY == 0:
        marks.append(f"job-{number}")
    return marks


def record(what: str) -> None:
    """Append a line that survives a kill: the kernel has it, and the test kills processes, not the machine."""
    line = f"{os.environ.get('LEDGER_LIFE', '')} {what}\n".encode()
    file = os.open(os.environ["LEDGER_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def settings_for(url: str, folder: str, **more: Any) -> Any:
    """The configuration of a ledger platform on the store at `url`."""
    from posthouse.settings import (
        BlobsSection,
        BotSection,
        HttpSection,
        Settings,
        StoreSection,
    )

    return Settings(
        bots={
            "ledger": BotSection(
                program="ledger_app:app",
                token=f"{BOT_ID}:ledger",
                secret="ledger-secret",
                limits="none",
                retry_base_s=0.02,
                retry_cap_s=0.1,
                attempts_max=more.pop("attempts_max", 60),
            )
        },
        store=StoreSection(url=url, **more),
        http=HttpSection(port=0, register_webhooks=False),
        blobs=BlobsSection(url=f"{folder}/blobs"),
        root=os.path.dirname(os.path.abspath(__file__)),
    )
