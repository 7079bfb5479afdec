"""`posthouse check`: is everything right? Each finding says what was looked at, what was found, and the mend.

    configuration ─► programs ─► per bot: token, webhook ─► clock ─► schema ─► disk

Nothing is changed and nobody is disturbed: it may run beside `posthouse up`. Exit code 1 when something is wrong.
Deliberately absent: load and backlog, which `/metrics`, `posthouse inbox` and `posthouse dead` show.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import typer

from posthouse import bootstrap
from posthouse.cli.desk import print_json
from posthouse.core.errors import PosthouseError, Refused
from posthouse.log import configure
from posthouse.ports.telegram import TelegramGateway
from posthouse.runtime.bots import RunningBot
from posthouse.runtime.webhooks import differences, flaws_of
from posthouse.settings import Settings, load, sqlite_path

CALL_TIMEOUT_S = 10.0
SKEW_MAX_S = 5.0
FREE_MIN_BYTES = 512 * 1024 * 1024
WAITING_MANY = 1_000
COMPLAINT_RECENT_S = 3600.0


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"  # could not be looked at


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    detail: str
    mend: str = ""
    bot: str = ""


def check(config: Path, *, json: bool) -> int:
    """Look at everything and print it; 1 when something is wrong, else 0."""
    configure(level="error", format="console")
    findings = asyncio.run(_all(config))
    wrong = any(finding.verdict is Verdict.WRONG for finding in findings)
    if json:
        print_json({"right": not wrong, "findings": findings})
        return int(wrong)
    width = max(len(_name(finding)) for finding in findings)
    for finding in findings:
        typer.echo(f"{_MARK[finding.verdict]} {_name(finding):<{width}}  {finding.detail}")
        if finding.mend:
            typer.echo(f"{'':{width + 6}}  → {finding.mend}")
    return int(wrong)


_MARK = {Verdict.RIGHT: "ok   ", Verdict.WRONG: "WRONG", Verdict.UNKNOWN: "?    "}


def _name(finding: Finding) -> str:
    return f"{finding.what} {finding.bot}".rstrip()


async def _all(config: Path) -> list[Finding]:
    try:
        settings = load(config)
    except PosthouseError as error:
        return [Finding("configuration", Verdict.WRONG, str(error), "nothing else was looked at")]
    findings = [Finding("configuration", Verdict.RIGHT, f"{settings.path}, {len(settings.bots)} bots")]
    bots, found = _programs(settings)
    findings += found
    findings += [finding async for finding in _telegram(settings, bots)]
    findings.append(await _clock(settings))
    findings += [finding async for finding in _store(settings)]
    return findings


def _programs(settings: Settings) -> tuple[list[RunningBot], list[Finding]]:
    """Import the programs, as `up` would."""
    try:
        bots = bootstrap.configured_bots(settings)
    except PosthouseError as error:
        return [], [Finding("programs", Verdict.WRONG, str(error))]
    except Exception as error:  # the author's module: anything may happen when it is imported
        detail = f"importing a bot's program failed: {type(error).__name__}: {error}"
        return [], [Finding("programs", Verdict.WRONG, detail, "run `posthouse up` to see the traceback")]
    told = ", ".join(f"{bot.name} takes {', '.join(bot.program.allowed_updates()) or 'nothing'}" for bot in bots)
    return bots, [Finding("programs", Verdict.RIGHT, told)]


# -- Telegram -------------------------------------------------------------------------------------------------------


async def _telegram(settings: Settings, bots: list[RunningBot]) -> AsyncIterator[Finding]:
    gateway = bootstrap.open_gateway(settings)
    try:
        for bot in bots:
            token = await _token(gateway, bot)
            yield token
            if token.verdict is Verdict.RIGHT:
                for finding in await _webhook(gateway, bot, settings):
                    yield finding
    finally:
        await gateway.close()


async def _token(gateway: TelegramGateway, bot: RunningBot) -> Finding:
    try:
        me = await gateway.call(bot.identity.token, "getMe", b"{}", timeout_s=CALL_TIMEOUT_S)
    except Refused as error:
        mend = "take the token from BotFather (/mybots → API Token) and set it in the environment"
        return Finding("token", Verdict.WRONG, f"{error.code} {error.description}", mend, bot.name)
    except PosthouseError as error:
        return Finding("token", Verdict.WRONG, str(error), "check the network and [telegram] api_url", bot.name)
    return Finding("token", Verdict.RIGHT, f"@{me.get('username', '?')}, id {me.get('id')}", bot=bot.name)


async def _webhook(gateway: TelegramGateway, bot: RunningBot, settings: Settings) -> list[Finding]:
    try:
        info: dict[str, Any] = await gateway.call(bot.identity.token, "getWebhookInfo", b"{}", timeout_s=CALL_TIMEOUT_S)
    except PosthouseError as error:
        return [Finding("webhook", Verdict.UNKNOWN, str(error), bot=bot.name)]
    return [*webhook_findings(bot, info, settings, now=time.time())]


def webhook_findings(bot: RunningBot, info: dict[str, Any], settings: Settings, *, now: float) -> Iterator[Finding]:
    """What Telegram has (a WebhookInfo) against what the configuration wants."""
    url = info.get("url", "")
    if bot.mode == "polling":
        if url:
            mend = "`posthouse up` removes it; if another deployment uses it, give that one a bot of its own"
            yield Finding("webhook", Verdict.WRONG, f"mode is polling, but {url} is set", mend, bot.name)
        else:
            yield Finding("webhook", Verdict.RIGHT, "none, as polling needs", bot=bot.name)
    elif not settings.http.register_webhooks:
        verdict, mend = (Verdict.RIGHT, "") if url else (Verdict.WRONG, "call setWebhook, or let `up` do it")
        yield Finding("webhook", verdict, f"registered by yourself: {url or 'none'}", mend, bot.name)
    else:
        plan = bootstrap.webhook_plan(bot)
        flaws = flaws_of(plan, local_api=settings.telegram.api_url != bootstrap.TELEGRAM)
        differing = differences(plan, info, plan.fingerprint())  # the secret cannot be asked for
        if flaws:
            mend = "correct [http] public_url and the bot's section"
            yield Finding("webhook", Verdict.WRONG, "; ".join(flaws), mend, bot.name)
        elif differing:
            detail = f"{url or 'none'} is set; wrong: {', '.join(differing)}"
            mend = f"`posthouse up` sets {plan.url}"
            yield Finding("webhook", Verdict.WRONG, detail, mend, bot.name)
        else:
            yield Finding("webhook", Verdict.RIGHT, url, bot=bot.name)
    complaint, at = info.get("last_error_message", ""), info.get("last_error_date", 0)
    if complaint and now - at < COMPLAINT_RECENT_S:
        detail = f"{complaint}, {now - at:.0f} s ago"
        mend = "is `posthouse up` running, and does the address lead to it? try GET /healthz from outside"
        yield Finding("deliveries", Verdict.WRONG, detail, mend, bot.name)
    waiting = info.get("pending_update_count", 0)
    if waiting >= WAITING_MANY:
        mend = "they come as fast as they are taken; raise the bot's max_connections if it stays so"
        yield Finding("deliveries", Verdict.WRONG, f"{waiting} updates wait at Telegram", mend, bot.name)
    elif waiting:
        yield Finding("deliveries", Verdict.RIGHT, f"{waiting} updates wait at Telegram", bot=bot.name)


async def _clock(settings: Settings) -> Finding:
    """Our clock against the one behind the Bot API server's Date header."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            began = time.time()
            async with session.get(settings.telegram.api_url, allow_redirects=False) as response:
                ended = time.time()
                told = response.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Finding("clock", Verdict.UNKNOWN, f"{settings.telegram.api_url} does not answer: {error}")
    return clock_finding(told, now=(began + ended) / 2)


def clock_finding(told: str | None, *, now: float) -> Finding:
    """What the Date header says about our clock."""
    try:
        theirs = parsedate_to_datetime(told or "").timestamp()
    except ValueError:
        return Finding("clock", Verdict.UNKNOWN, "the Bot API server tells no time to compare with")
    skew_s = now - theirs - 0.5  # the header has whole seconds
    if abs(skew_s) <= SKEW_MAX_S:
        return Finding("clock", Verdict.RIGHT, f"within {SKEW_MAX_S:.0f} s of the Bot API server's")
    direction = "ahead of" if skew_s > 0 else "behind"
    detail = f"{abs(skew_s):.0f} s {direction} the Bot API server's"
    return Finding("clock", Verdict.WRONG, detail, "let NTP set this machine's clock: timers and retries go by it")


# -- the store ------------------------------------------------------------------------------------------------------


async def _store(settings: Settings) -> AsyncIterator[Finding]:
    if bootstrap.is_new(settings):
        yield Finding("schema", Verdict.RIGHT, f"{sqlite_path(settings)} is created by `posthouse up`")
    else:
        yield await _schema(settings)
    if settings.store.url.startswith("sqlite:///"):
        yield disk_finding(Path(sqlite_path(settings)))


async def _schema(settings: Settings) -> Finding:
    try:
        has, wants = await bootstrap.read_schema(settings)
    except PosthouseError as error:
        return Finding("schema", Verdict.WRONG, str(error))
    if has == wants:
        return Finding("schema", Verdict.RIGHT, f"{has}, as this program wants")
    mend = "upgrade posthouse" if has is not None and has > wants else "run `posthouse migrate`"
    return Finding("schema", Verdict.WRONG, f"{has or 'none'}; this program wants {wants}", mend)


def disk_finding(path: Path, *, free_min_bytes: int = FREE_MIN_BYTES) -> Finding:
    """Is there room where the database is, or will be?"""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1024**3:.1f} GB free for {path}"
    if free >= free_min_bytes:
        return Finding("disk", Verdict.RIGHT, detail)
    return Finding("disk", Verdict.WRONG, detail, "free some space: updates are refused with 503 when the disk is full")
