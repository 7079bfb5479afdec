"""The bot as a process that is killed while it draws."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stickers_stage import TOKEN, Customer, photo, read

from posthouse.testing.town import Town

CONFIG = """\
[store]
url = "{database}"

[http]
port = 0

[telegram]
api_url = "{api_url}"

[bots.stickers]
program = "posthouse_apps.stickers:app"
token = "${{STICKERS_TOKEN}}"
mode = "polling"
limits = "none"
"""


@asynccontextmanager
async def life(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`posthouse up` until it is killed, or until the end of the `with`."""
    with (config.parent / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "posthouse.cli.main", "up", "--config", str(config)),
            env={**os.environ, "STICKERS_TOKEN": TOKEN},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.req("E1-9", "C0-14", "C0-19")
async def test_a_process_that_dies_while_it_draws_a_preview_has_charged_once(
    database: str, town: Town, tmp_path: Path
) -> None:
    """The next process draws the preview anew: one charge, one preview, and the pack can be made of it."""
    config = tmp_path / "posthouse.toml"
    config.write_text(CONFIG.format(database=database, api_url=town.url))
    ann = Customer(town, await town.person("Ann", talks_to=TOKEN))
    async with life(config) as first:
        await ann.says("/credits")
        await ann.shown("Now you have 5")
        await ann.says("/pack")
        await ann.shown("Walk through the styles")
        await ann.told("Try")
        await ann.sends(photo())
        await ann.shown("First comes a preview")
        await town.fault("slow", method="getFile", delay_s=60.0)
        await ann.told("Preview")
        await ann.shown("Drawing 4 stickers")
        await town.event("fault.fired", after=ann.newest)  # the job has asked for the photo, and waits for it
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert await moves(database) == [5, -1]
    async with life(config):
        await ann.shown("Shall I make the pack?")
        await ann.told("Make the pack")
        await ann.shown("Your pack is ready")
    assert await moves(database) == [5, -1, -3]
    assert len([message for message in await ann.messages("photo") if "Walk" not in message.text]) == 2
    assert len(await ann.messages("sticker")) == 4
    assert len(await town.calls("createNewStickerSet")) == 1


async def moves(database: str) -> list[int]:
    return [amount for (amount,) in await read(database, "SELECT amount FROM sticker_credit_moves ORDER BY id")]
