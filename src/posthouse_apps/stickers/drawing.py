"""The jobs that draw: a preview of a pack, the pack, one sticker, and what each style looks like.

    photo ─► download ─► render, in a thread ─┬─ keep       a later turn shows it
                                              └─ sticker set   in Telegram, where it outlives us

A photo that cannot be used is no failure of the job but its answer, `{"fault": word}`: nobody has to look at it but the
person, who reads the text `photo.<word>` and sends another. What fails otherwise is tried again, three times in all.
"""

from __future__ import annotations

import asyncio
from typing import Any

from posthouse import File, Job
from posthouse.core.errors import Refused
from posthouse_apps.stickers.bot import app, texts
from posthouse_apps.stickers.looks import EMOJI, STYLES, pack_looks
from posthouse_apps.stickers.rendering import Look, PhotoUnusable, render_pack
from posthouse_apps.stickers.sets import StickerSet
from posthouse_apps.stickers.sheets import contact_sheet, style_example
from posthouse_apps.stickers.styles import Emotion, Pose, Style

QUEUE = "render"  # give it a process of its own with `posthouse up --role worker` where drawing gets in the way
ATTEMPTS_MAX = 3


class Unusable(Exception):
    """The photo cannot be drawn; `fault` names the text that says why."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


@app.job(queue=QUEUE, attempts_max=ATTEMPTS_MAX)
async def draw_preview(job: Job, *, photo: str, style: str, take: int, count: int) -> dict[str, str]:
    """All stickers of a pack on one sheet: `{"sheet": key}`."""
    try:
        stickers = await drawn(job, photo, pack_looks(Style(style), take=take, count=count))
    except Unusable as unusable:
        return {"fault": unusable.fault}
    return {"sheet": await job.keep(await asyncio.to_thread(contact_sheet, stickers, columns=2))}


@app.job(queue=QUEUE, attempts_max=ATTEMPTS_MAX)
async def draw_pack(
    job: Job,
    *,
    photo: str,
    style: str,
    take: int,
    count: int,
    owner: int,
    name: str,
    title: str,
    language: str,
) -> dict[str, Any]:
    """A sticker set in Telegram: `{"name": …, "stickers": [file_id, …]}`.

    The set's name comes from the session, so a job that runs again finds the set it began and goes on after the last
    sticker that is there.
    """
    found = await StickerSet.find(job, name=name, title=title, owner=owner)
    for number, look in enumerate(pack_looks(Style(style), take=take, count=count), start=1):
        await job.progress(texts.t("progress.pack", language, number=number, count=count))
        if number > found.size:
            try:
                (sticker,) = await drawn(job, photo, [look])
            except Unusable as unusable:
                return {"fault": unusable.fault}
            await found.add(sticker, EMOJI[look.emotion])
    job.delete(job.progress_handle)
    return {"name": found.name, "stickers": await found.file_ids()}


@app.job(queue=QUEUE, attempts_max=ATTEMPTS_MAX)
async def draw_sticker(
    job: Job, *, photo: str, style: str, emotion: str, pose: str, caption: str | None
) -> dict[str, str]:
    """One sticker, and the same as a picture to look at: `{"sticker": key, "view": key}`."""
    try:
        (sticker,) = await drawn(job, photo, [Look(Style(style), Emotion(emotion), Pose(pose), caption)])
    except Unusable as unusable:
        return {"fault": unusable.fault}
    view = await asyncio.to_thread(contact_sheet, [sticker], columns=1, side=384)
    return {"sticker": await job.keep(sticker), "view": await job.keep(view)}


@app.job(queue=QUEUE, attempts_max=ATTEMPTS_MAX)
async def show_examples(job: Job, *, language: str) -> None:
    """All styles in one picture, in the order of the words below it."""
    sheet = await asyncio.to_thread(contact_sheet, [await example(style) for style in STYLES], columns=4, side=192)
    names = [texts.t(f"style.{style}", language) for style in STYLES]
    job.photo(File(sheet, "styles.png"), caption=" · ".join(names))


async def drawn(job: Job, photo: str, looks: list[Look]) -> list[bytes]:
    """A sticker for each look, or raise `Unusable`."""
    try:
        return await asyncio.to_thread(render_pack, await job.download(photo), looks)
    except PhotoUnusable as unusable:
        raise Unusable(unusable.fault.name.lower()) from None
    except Refused as refused:
        if refused.code >= 500:
            raise
        raise Unusable("gone") from None


async def example(style: Style) -> bytes:
    """What the style looks like, drawn once in a process."""
    return await asyncio.to_thread(style_example, style)
