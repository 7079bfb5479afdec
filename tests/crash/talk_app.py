"""The bot of the conversation kills: one dialogue with every kind of await, and a named point beside each.

    ask · step · ask with buttons · transact · job · sleep · moment · ask_any · step and transact · ask with a retry

`at` is called at each point, also in a replay. What a step does is a line in the record, which survives a kill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger_app import BOT_ID, insert, record

from posthouse import App, Job, Talk, Turn
from posthouse.programs.conversations import choice, number, photo

app = App("trip")
watchers: list[Callable[[str], None]] = []

# In the order of the dialogue. Those `in a step` and `in the job` are inside a function that may run again.
POINTS = [
    "begun",
    "after ask",
    "in step before",
    "in step after",
    "after step",
    "after choice",
    "in transact",
    "after transact",
    "in job before",
    "in job after",
    "after job",
    "after sleep",
    "after moment",
    "after ask_any",
    "after second step",
    "after second transact",
    "after rating",
]
RUNS_AGAIN = "in step after"
"""The window that a step has: it is done, and the process dies before that is written down."""


def at(point: str) -> None:
    for watch in watchers:
        watch(point)


def token(chat: int) -> str:
    at("in step before")
    record(f"step {chat} token")
    at("in step after")
    return f"token-{chat % 7}"


async def charge(chat: int, size: str) -> dict[str, Any]:
    record(f"step {chat} charge")
    return {"size": size, "paid": True}


def write(connection: Any, chat: int, row: int) -> int:
    insert(connection, chat, row)
    at("in transact")
    return row


@app.job(attempts_max=60)
async def pack(job: Job, size: str) -> str:
    at("in job before")
    job.say(f"Packed {size}")
    at("in job after")
    return size * 2


@app.conversation()
async def trip(talk: Talk) -> None:
    chat = talk.user_id
    at("begun")
    name = await talk.ask("Name?")
    at("after ask")
    talk.say(f"Hello {name}")
    key = await talk.step("token", token, chat)
    at("after step")
    size = await talk.ask(f"Size, with {key}?", choice(["S", "L"]))
    at("after choice")
    row = await talk.transact(write, chat, 1)
    at("after transact")
    packed = await talk.job(pack, size=size)
    at("after job")
    talk.say(f"Row {row}, {packed}")
    await talk.sleep(0.02)
    at("after sleep")
    began = talk.moment
    at("after moment")
    kind, value = await talk.ask_any("A photo?", photo=photo(), skip=choice(["Skip"]))
    at("after ask_any")
    paid = await talk.step("charge", charge, chat, size)
    at("after second step")
    await talk.transact(write, chat, 2)
    at("after second transact")
    rating = await talk.ask(f"{kind} {value}, paid {paid['paid']}. Rating?", number(min=1, max=5), retry="1 to 5!")
    at("after rating")
    talk.say(f"Thank you, {name}: {rating} {talk.moment >= began}")


@app.command("trip")
async def begin(turn: Turn) -> None:
    await trip.begin(turn)


def settings_for(url: str, folder: str, **more: Any) -> Any:
    """The ledger's configuration, with this bot."""
    import ledger_app
    import msgspec

    settings = ledger_app.settings_for(url, folder, **more)
    bots = {"ledger": msgspec.structs.replace(settings.bots["ledger"], program="talk_app:app")}
    return msgspec.structs.replace(settings, bots=bots)


__all__ = ["BOT_ID", "POINTS", "RUNS_AGAIN", "app", "settings_for"]
