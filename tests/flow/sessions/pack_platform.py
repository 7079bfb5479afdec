"""One life of the photo bot in a process of its own, for tests that kill it.

    python pack_platform.py '{"url": …, "folder": …, "api_url": …, "seed": 1}'

It imports what it needs, prints `WAITING`, waits for a line on its input, runs, and prints `READY <port>` when it takes
updates. It ends when it is killed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
from pathlib import Path
from typing import Any

import structlog
from pack_stage import Studio, photo_bot, settings_for

from posthouse.bootstrap import build


async def main(options: dict[str, Any]) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    studio = Studio()
    studio.luck = random.Random(options["seed"])
    settings = settings_for(options["url"], Path(options["folder"]), options["api_url"], photo_bot(studio))
    platform = build(settings)
    print("WAITING", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    running = asyncio.ensure_future(platform.run())
    ready = asyncio.ensure_future(platform.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if platform.ready.is_set():
        print(f"READY {platform.server.port}", flush=True)  # type: ignore[union-attr]
    await running


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
