"""The job that draws a chart: work outside the turn, in a thread."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from posthouse import Job
from posthouse_apps.workouts.chart import draw_progress
from posthouse_apps.workouts.history import Point
from posthouse_apps.workouts.wording import messages, spoken


async def draw(job: Job, *, points: list[dict[str, Any]], title: str, lang: str) -> str:
    """Draw the points and keep the picture; returns its key. `title` is the exercise, `lang` the person's language."""
    job.progress(messages.t("progress.drawing", lang))
    picture = await asyncio.to_thread(
        draw_progress, msgspec.convert(points, list[Point]), title=title, lang=spoken(lang)
    )
    job.delete(job.progress_handle)
    return await job.keep(picture)
