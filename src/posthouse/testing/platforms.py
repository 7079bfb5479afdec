"""The whole platform inside a test: your own configuration, a new database, the simulator as Telegram."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from posthouse.bootstrap import ROLES, build, migrate
from posthouse.ports.clock import Clock
from posthouse.ports.telegram import TelegramGateway
from posthouse.runtime.platform import Platform
from posthouse.settings import Settings, parse


def settings_against(
    api_url: str, config: Path, *, folder: Path, environment: Mapping[str, str] | None = None
) -> Settings:
    """A configuration file as it is, but with this Telegram, a new database in `folder`, and any free port.

    `environment` holds the tokens and secrets that the file names.
    """
    raw = tomllib.loads(config.read_text(encoding="utf-8"))
    raw["store"] = {"url": f"sqlite:///{folder}/test.db"}
    raw["telegram"] = {"api_url": api_url}
    raw["http"] = {**raw.get("http", {}), "port": 0}
    return parse(raw, path=config, environment=dict(environment or {}))


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    roles: Iterable[str] = ROLES,
    clock: Clock | None = None,
    gateway: TelegramGateway | None = None,
) -> AsyncIterator[Platform]:
    """The platform in this process, from ready to stopped; what stops it early is raised here."""
    await migrate(settings)
    platform = build(settings, roles=roles, clock=clock, gateway=gateway)
    work = asyncio.create_task(platform.run())
    ready = asyncio.create_task(platform.ready.wait())
    await asyncio.wait({work, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if work.done():
        await work  # raises what stopped it
    try:
        yield platform
    finally:
        platform.stop()
        await work
