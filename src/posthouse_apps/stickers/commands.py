"""Commands, and what to do with a message that no flow waits for."""

from __future__ import annotations

from posthouse import Turn
from posthouse.programs.app import Handler
from posthouse_apps.stickers import credits
from posthouse_apps.stickers.assistant import begin_assistant
from posthouse_apps.stickers.bot import app
from posthouse_apps.stickers.packs import begin_pack
from posthouse_apps.stickers.singles import begin_single, begin_single_with_photo


@app.middleware
async def in_private(turn: Turn, call_next: Handler) -> None:
    """Photos and credits are a person's own, so a group is told where to go."""
    if turn.chat_id is None or turn.chat_id > 0:
        await call_next(turn)
    elif turn.text.startswith("/"):
        turn.say(turn.t("private"))


@app.command("start", "help")
async def start(turn: Turn) -> None:
    turn.say(turn.t("start", name=turn.person["first_name"], daily=credits.DAILY))


@app.command("pack")
async def pack(turn: Turn) -> None:
    await begin_pack(turn)


@app.command("single")
async def single(turn: Turn) -> None:
    await begin_single(turn)


@app.command("assistant")
async def assistant(turn: Turn) -> None:
    await begin_assistant(turn)


@app.command("balance")
async def balance(turn: Turn) -> None:
    turn.say(turn.t("balance", credits=await turn.transact(credits.balance, turn.person["id"])))


@app.command("credits")
async def daily_credits(turn: Turn) -> None:
    """Today's credits, once a day."""
    person = turn.person["id"]
    given = await turn.transact(credits.grant_daily, person, turn.moment)
    mine = await turn.transact(credits.balance, person)
    turn.say(turn.t("credits.given" if given else "credits.had", given=given, credits=mine))


@app.on("message")
async def unexpected(turn: Turn) -> None:
    """A photo out of the blue begins a sticker; anything else hears what there is."""
    if "photo" in turn.update["message"]:
        await begin_single_with_photo(turn)
    elif turn.text:
        turn.say(turn.t("unexpected"))
