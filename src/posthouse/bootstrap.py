"""Wiring: the only module that names concrete adapters. Settings in, a `Platform` out.

What a process does not need is not imported: aiogram only for a hosted Dispatcher, asyncpg only for PostgreSQL, redis
only for sessions in Redis.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import generate_latest

from posthouse.core.effects import StateWrite, WhenUncertain
from posthouse.core.errors import ConfigurationInvalid, PosthouseError, StoreUnavailable
from posthouse.core.outcomes import OnDead
from posthouse.core.retry import RetryPolicy
from posthouse.ports.blobs import Blobs
from posthouse.ports.clock import Clock, SystemClock
from posthouse.ports.model import LanguageModel
from posthouse.ports.store import BotLimits, Store
from posthouse.ports.telegram import TelegramGateway
from posthouse.programs.program import BotIdentity, Program
from posthouse.runtime.bots import RunningBot, TurnPolicy
from posthouse.runtime.caretaker import Caretaker, CaretakerSettings
from posthouse.runtime.executor import Executor, ExecutorSettings
from posthouse.runtime.ingress import Endpoint, Ingress, IngressSettings
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.platform import Platform
from posthouse.runtime.polling import Poller, PollerSettings
from posthouse.runtime.reach import Reach
from posthouse.runtime.schedules import Schedules, schedules_of
from posthouse.runtime.sender import Sender, SenderSettings, SendingBot
from posthouse.runtime.stow import Stow
from posthouse.runtime.throttle import Rate
from posthouse.runtime.timers import Timers
from posthouse.runtime.turn import TurnRunner
from posthouse.runtime.webhooks import WebhookPlan, WebhookSettings, clear_webhook, register_webhooks
from posthouse.runtime.workers import Workers, WorkerSettings
from posthouse.settings import BotSection, LimitsSection, Settings, sqlite_path

log = structlog.get_logger("posthouse")

ROLES = ("ingress", "executor", "sender", "worker")
TELEGRAM = "https://api.telegram.org"
UNLIMITED = BotLimits(bot_per_s=0, chat_per_s=0, group_per_min=0)


def build(
    settings: Settings,
    *,
    roles: Iterable[str] = ROLES,
    clock: Clock | None = None,
    gateway: TelegramGateway | None = None,
) -> Platform:
    """Assemble one process. Raises `ConfigurationInvalid` for anything that cannot work; nothing is opened yet.

    `roles` splits the work over processes (PostgreSQL only): ingress, executor, sender, worker. `gateway` replaces the
    way to Telegram, for tests and benchmarks.
    """
    wanted = frozenset(roles)
    _check_roles(wanted, settings)
    clock = clock or SystemClock()
    metrics = Metrics()
    store, parallel = open_store(settings, clock)
    blobs = _blobs(settings, clock)
    own_gateway = gateway is None
    if gateway is None:
        from posthouse.adapters.http.bot_api import BotApiGateway

        # Every call in flight, every poll that waits, and room for what hosted handlers call directly.
        connections = settings.sender.concurrency + len(settings.bots) + settings.executor.concurrency
        gateway = BotApiGateway(settings.telegram.api_url, blobs, connections_max=connections)
    stow = Stow(blobs)

    bots = _bots(settings, store, metrics, clock)
    for bot in bots.values():
        store.set_limits(bot.bot_id, bot.limits)
        if bot.program.keeps_sessions:
            store.keep_sessions(bot.bot_id)
    identities: dict[int, tuple[Program, list[BotIdentity]]] = {}
    for bot in bots.values():
        identities.setdefault(id(bot.program), (bot.program, []))[1].append(bot.identity)

    late = _LateParts(store)
    timers = Timers(late.jobs, clock=clock, metrics=metrics)
    caretaker = Caretaker(
        late.upkeep,
        clock=clock,
        metrics=metrics,
        blobs=blobs,
        settings=CaretakerSettings(
            seen_s=settings.retention.seen_hours * 3600,
            dead_letters_s=settings.retention.dead_letters_days * 86_400,
            sessions_s=settings.retention.sessions_days * 86_400,
        ),
    )
    metrics.show_gauges(caretaker.latest)
    platform = Platform(store, list(identities.values()), caretaker)
    if own_gateway:
        platform.closing = [gateway.close]

    if "executor" in wanted:
        runner = TurnRunner(
            bots,
            late.turns,
            late.journal,
            late.sessions,
            stow=stow,
            clock=clock,
            metrics=metrics,
            nudge_timers=timers.nudge,
            commits_parallel=parallel,
        )
        platform.executor = Executor(
            late.turns,
            runner,
            clock=clock,
            metrics=metrics,
            settings=ExecutorSettings(
                concurrency=settings.executor.concurrency,
                depth_max=settings.executor.depth_max,
                lease_ttl_s=settings.store.lease_ttl_s,
                stop_deadline_s=settings.executor.stop_deadline_s,
            ),
        )
    if "sender" in wanted:
        sending = {bot.bot_id: SendingBot(bot.name, bot.identity.token, bot.limits) for bot in bots.values()}
        platform.sender = Sender(
            late.outbox,
            gateway,
            sending,
            clock,
            metrics,
            SenderSettings(concurrency=settings.sender.concurrency, call_timeout_s=settings.sender.call_timeout_s),
        )
    if "worker" in wanted:
        platform.timers = timers
        reach = Reach(gateway, blobs, {bot.bot_id: bot.identity.token for bot in bots.values()}, _models(settings))
        platform.closing = [reach.close, *platform.closing]
        platform.workers = Workers(
            late.jobs,
            late.outbox,
            {bot.bot_id: bot.program.jobs for bot in bots.values()} | {0: _all_jobs(bots)},
            clock=clock,
            metrics=metrics,
            bots={bot.bot_id: bot.name for bot in bots.values()},
            settings=WorkerSettings(
                concurrency=settings.jobs.concurrency,
                queues=settings.jobs.queues,
                threads_max=settings.jobs.threads_max,
                lease_ttl_s=settings.jobs.lease_ttl_s,
            ),
            stow=stow,
            nudge_timers=timers.nudge,
            reach=reach,
        )
        platform.schedules = Schedules(
            late.jobs,
            [schedule for program, served in platform.programs for schedule in schedules_of(program, served)],
            clock=clock,
            metrics=metrics,
        )
    _add_front(platform, settings, bots if "ingress" in wanted else {}, late, gateway, clock, metrics, parallel)
    return platform


# -- parts --------------------------------------------------------------------------------------------------------


def open_store(settings: Settings, clock: Clock | None = None) -> tuple[Store, int]:
    """The store of `[store]` and `[sessions]`, not opened yet, and how many of its commits may run at once."""
    store, parallel = _database(settings, clock)
    chosen = settings.sessions
    if chosen.store == "redis":
        from posthouse.adapters.redis import RedisSessionStore, RedisSettings

        redis = RedisSettings(chosen.redis_url, ttl_s=chosen.ttl_s, key_prefix=chosen.key_prefix)
        store = RedisSessionStore(store, redis, clock)
    return store, parallel


def _database(settings: Settings, clock: Clock | None = None) -> tuple[Store, int]:
    if settings.store.url.startswith("sqlite:///"):
        from posthouse.adapters.sqlite import SqliteSettings, SqliteStore

        store: Store = SqliteStore(SqliteSettings(sqlite_path(settings), lease_ttl_s=settings.store.lease_ttl_s), clock)
        return store, 1
    from posthouse.adapters.postgres import PostgresSettings, PostgresStore

    return (
        PostgresStore(
            PostgresSettings(
                url=settings.store.url,
                pool_max=settings.store.pool_max,
                lease_ttl_s=settings.store.lease_ttl_s,
                pooler=settings.store.pooler,
                lock_url=settings.store.lock_url,
            )
        ),
        2,
    )


def open_gateway(settings: Settings, blobs: Blobs | None = None) -> TelegramGateway:
    """The way to the Bot API server of `[telegram] api_url`; it connects with the first call."""
    from posthouse.adapters.http.bot_api import BotApiGateway

    return BotApiGateway(settings.telegram.api_url, blobs)


async def migrate(settings: Settings) -> tuple[str | None, str]:
    """Bring the store to this program's schema; returns (before, after)."""
    if settings.store.url.startswith("sqlite:///"):
        from posthouse.adapters.sqlite.schema import migrate as migrate_sqlite

        return await asyncio.to_thread(migrate_sqlite, sqlite_path(settings))
    from posthouse.adapters.postgres import migrate as migrate_postgres

    return await migrate_postgres(settings.store.url)


async def read_schema(settings: Settings) -> tuple[str | None, str]:
    """(revision the store has, revision this program wants). A process that works on the store is not disturbed.

    Raises `StoreUnavailable` when it cannot be read, `SchemaMismatch` when PostgreSQL has another one.
    """
    if settings.store.url.startswith("sqlite:///"):
        from posthouse.adapters.sqlite.schema import SCHEMA

        return await asyncio.to_thread(_sqlite_revision, sqlite_path(settings)), SCHEMA
    store, _ = _database(settings)
    await store.open()
    try:
        return await store.upkeep.schema()
    finally:
        await store.close()


def _sqlite_revision(path: str) -> str | None:
    """Read-only, hence past the file lock of the process that has the file."""
    import sqlite3
    from contextlib import closing

    from posthouse.adapters.sqlite.schema import revision

    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return revision(connection)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} cannot be read: {error}") from None


def configured_bots(settings: Settings) -> list[RunningBot]:
    """The bots with their programs, nothing opened and nothing bound: what `posthouse check` looks at."""
    store, _ = open_store(settings)
    return [*_bots(settings, store, Metrics(), SystemClock()).values()]


def webhook_plan(bot: RunningBot) -> WebhookPlan:
    """What a webhook bot's webhook is to be."""
    return WebhookPlan(
        bot.bot_id,
        bot.name,
        bot.identity.token,
        f"{bot.public_url.rstrip('/')}{bot.path}",
        bot.secret,
        tuple(bot.program.allowed_updates()),
        bot.max_connections,
    )


async def create(settings: Settings) -> None:
    """Make a new SQLite file in a process of its own: the 40 MB that only a migration needs are not kept."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "posthouse.adapters.sqlite.schema",
        sqlite_path(settings),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await child.communicate()
    if child.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise StoreUnavailable(f"{sqlite_path(settings)} could not be created: {last[0]}")


def is_new(settings: Settings) -> bool:
    """True for an SQLite file that does not exist yet: `up` creates it without being asked."""
    return settings.store.url.startswith("sqlite:///") and not Path(sqlite_path(settings)).exists()


def resolve(reference: str, *, key: str, root: str) -> Any:
    """The object that `"module:object"` names, importable from the configuration's folder."""
    module_name, _, attribute = reference.partition(":")
    if root not in sys.path:
        sys.path.insert(0, root)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise  # the module is there; something it imports is not, and its own traceback says so
        raise ConfigurationInvalid(
            f"{key}: there is no module {module_name!r} in {root} or among the installed packages"
        ) from None
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise ConfigurationInvalid(f"{key}: module {module_name!r} has no {attribute!r}")
        found = getattr(found, name)
    return found


def _check_roles(roles: frozenset[str], settings: Settings) -> None:
    unknown = sorted(roles - frozenset(ROLES))
    if unknown or not roles:
        raise ConfigurationInvalid(f"--role {','.join(unknown)}: choose among {', '.join(ROLES)}")
    if roles != frozenset(ROLES) and settings.store.url.startswith("sqlite"):
        log.warning(
            "roles.partial",
            roles=sorted(roles),
            note="SQLite takes one process, so what is left out is done by nobody; use PostgreSQL to split",
        )


def _bots(settings: Settings, store: Store, metrics: Metrics, clock: Clock) -> dict[int, RunningBot]:
    if not settings.bots:
        raise ConfigurationInvalid(
            f"{settings.path}: there are no bots; add a [bots.NAME] table with program and token"
        )
    programs = _programs(settings, store, metrics, clock)
    bots = {}
    for name, section in settings.bots.items():
        bot_id = int(section.token.split(":", 1)[0])
        bots[bot_id] = RunningBot(
            BotIdentity(name, bot_id, section.token, section.env or settings.env),
            programs[section.program],
            secret=section.secret or "",
            mode=section.mode,
            path=section.path or f"/webhook/{name}",
            lane_by=section.lane,
            policy=TurnPolicy(
                handler_timeout_s=section.handler_timeout_s,
                transact_budget_s=section.transact_budget_s,
                retry=RetryPolicy(
                    attempts_max=section.attempts_max, base_s=section.retry_base_s, cap_s=section.retry_cap_s
                ),
                on_dead=OnDead(section.on_dead),
            ),
            limits=_limits(section),
            max_connections=section.max_connections,
            public_url=settings.http.public_url or "",
        )
    return bots


def _limits(section: BotSection) -> BotLimits:
    if section.limits == "none":
        return UNLIMITED
    if isinstance(section.limits, LimitsSection):
        chosen = section.limits
        return BotLimits(
            chosen.bot_per_s,
            chosen.bot_burst,
            chosen.chat_per_s,
            chosen.chat_burst,
            chosen.group_per_min,
            chosen.group_burst,
            chosen.broadcast_per_s,
        )
    return BotLimits()


def _programs(settings: Settings, store: Store, metrics: Metrics, clock: Clock) -> dict[str, Program]:
    """Each program once, however many bots it serves."""
    by_reference: dict[str, dict[str, BotSection]] = {}
    for name, section in settings.bots.items():
        by_reference.setdefault(section.program, {})[name] = section
    programs: dict[str, Program] = {}
    for reference, sections in by_reference.items():
        key = f"bots.{next(iter(sections))}.program"
        found = resolve(reference, key=key, root=settings.root)
        if any(base.__module__.split(".")[0] == "aiogram" for base in type(found).__mro__):
            programs[reference] = _hosted(found, sections, settings, store, clock)
        elif hasattr(found, "perform") and hasattr(found, "allowed_updates"):
            programs[reference] = found
        else:
            raise ConfigurationInvalid(
                f"{key}: {reference!r} is a {type(found).__name__}; a posthouse App or an aiogram Dispatcher is needed"
            )
    return programs


def _hosted(
    dispatcher: Any, sections: Mapping[str, BotSection], settings: Settings, store: Store, clock: Clock
) -> Program:
    from posthouse.programs.aiogram import AiogramProgram, HostedBot

    late = _LateParts(store)

    async def limiter(bot_id: int, chat: int | None) -> None:
        while wait_s := await late.outbox.admit(bot_id, chat):
            await clock.sleep(wait_s)

    async def paused(bot_id: int, chat: int | None, delay_s: float) -> None:
        await late.outbox.pause(bot_id, chat, delay_s)

    api_url = None if settings.telegram.api_url == TELEGRAM else settings.telegram.api_url
    return AiogramProgram(
        dispatcher,
        keeper=late.turns,
        limiter=limiter,
        paused=paused,
        bots={
            name: HostedBot(
                bot=resolve(section.bot, key=f"bots.{name}.bot", root=settings.root) if section.bot else None,
                api_url=api_url,
                lane_by=section.lane,
                uncertain_calls=WhenUncertain(section.uncertain_calls),
                handler_timeout_s=section.handler_timeout_s,
            )
            for name, section in sections.items()
        },
    )


def _blobs(settings: Settings, clock: Clock) -> Blobs:
    from posthouse.adapters.blobs.folder import FolderBlobs

    url = settings.blobs.url
    if url is not None and "://" in url:
        from posthouse.adapters.blobs.bucket import BucketBlobs

        return BucketBlobs.at(url, clock=clock)
    if url is not None:
        return FolderBlobs(Path(settings.root) / url, clock=clock)
    if settings.store.url.startswith("sqlite:///"):
        return FolderBlobs(Path(sqlite_path(settings)).parent / "blobs", clock=clock)
    return FolderBlobs(Path(settings.root) / "posthouse-data" / "blobs", clock=clock)


def _models(settings: Settings) -> dict[str, LanguageModel]:
    """The language models by name; each connects with its first question."""
    models: dict[str, LanguageModel] = {}
    for name, section in settings.models.items():
        options: dict[str, Any] = {"api_key": section.api_key, "timeout_s": section.timeout_s}
        if section.base_url:
            options["base_url"] = section.base_url
        if section.provider == "anthropic":
            from posthouse.adapters.models.anthropic import AnthropicModel

            models[name] = AnthropicModel(section.model, **options)
        else:
            from posthouse.adapters.models.openai import OpenAIModel

            models[name] = OpenAIModel(section.model, **options)
    return models


def _all_jobs(bots: Mapping[int, RunningBot]) -> dict[str, Any]:
    return {task: spec for bot in bots.values() for task, spec in bot.program.jobs.items()}


def _add_front(
    platform: Platform,
    settings: Settings,
    bots: Mapping[int, RunningBot],
    late: _LateParts,
    gateway: TelegramGateway,
    clock: Clock,
    metrics: Metrics,
    parallel: int,
) -> None:
    """What listens: webhooks and pollers of `bots` (none without the role ingress), and every process's pages."""
    from posthouse.adapters.http.ingress import WebhookApp
    from posthouse.adapters.http.protocol import WebhookProtocol
    from posthouse.adapters.http.server import HttpServer

    chosen = settings.ingress
    ingress = platform.ingress = Ingress(
        late.inbox,
        clock=clock,
        metrics=metrics,
        settings=IngressSettings(
            body_max_bytes=chosen.body_max_bytes,
            waiting_max=chosen.waiting_max,
            retry_after_s=chosen.retry_after_s,
            per_user=Rate(chosen.per_user.per_s, chosen.per_user.burst),
            per_ip=Rate(chosen.per_ip.per_s, chosen.per_ip.burst),
        ),
        parallel=parallel,
    )

    async def ready() -> str | None:
        if platform.stopping:
            return "stopping"
        if not platform.ready.is_set():
            return "starting"
        try:
            await asyncio.wait_for(late.upkeep.schema(), 2.0)
        except (PosthouseError, TimeoutError) as error:
            return f"the store does not answer: {error or 'no answer in 2 s'}"
        return None

    webhooks = [bot for bot in bots.values() if bot.mode == "webhook"]
    app = WebhookApp(
        ingress,
        {bot.path: Endpoint(bot, metrics) for bot in webhooks},
        metrics_page=lambda: generate_latest(metrics.registry),
        ready=ready,
        trusted_proxies=frozenset(part.strip() for part in settings.http.trusted_proxies.split(",")),
    )
    platform.server = HttpServer(app, host=settings.http.host, port=settings.http.port, http=WebhookProtocol)
    polled = [bot for bot in bots.values() if bot.mode == "polling"]
    platform.pollers = [
        Poller(
            bot.bot_id,
            bot.name,
            bot.identity.token,
            gateway,
            ingress.store,
            clock,
            metrics,
            PollerSettings(allowed_updates=tuple(bot.program.allowed_updates()), lane_by=bot.lane_by),
        )
        for bot in polled
    ]
    local_api = settings.telegram.api_url != TELEGRAM

    async def register() -> None:
        if webhooks and settings.http.register_webhooks:
            plans = [webhook_plan(bot) for bot in webhooks]
            await register_webhooks(gateway, plans, late, clock, WebhookSettings(local_api=local_api))
        for bot in polled:
            try:
                await clear_webhook(gateway, bot.name, bot.identity.token, clock, WebhookSettings(local_api=local_api))
            except PosthouseError as error:
                log.error("webhook.not_cleared", bot=bot.name, error=str(error))

    platform.register = register


class _LateParts:
    """The parts of a store that exist once it is open; every call goes to the part of that moment."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.inbox: Any = _Late(store, "inbox")
        self.turns: Any = _Late(store, "turns")
        self.journal: Any = _Late(store, "journal")
        self.outbox: Any = _Late(store, "outbox")
        self.jobs: Any = _Late(store, "jobs")
        self.upkeep: Any = _Late(store, "upkeep")
        self.sessions: Any = _Late(store, "sessions")

    # What was last registered for a bot is kept as a piece of state of lane 0, which no chat has.

    async def load(self, bot_id: int) -> str | None:
        found = await self._store.turns.read_states(bot_id, 0, ["posthouse:webhook"])
        return found["posthouse:webhook"].decode() if found else None

    async def save(self, bot_id: int, fingerprint: str) -> None:
        await self._store.turns.write_states([StateWrite(bot_id, 0, "posthouse:webhook", fingerprint.encode())])


class _Late:
    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def __getattr__(self, method: str) -> Any:
        try:
            part = getattr(self._store, self._name)
        except AttributeError:
            raise StoreUnavailable(f"the store's {self._name} is not open yet") from None
        bound = getattr(part, method)
        setattr(self, method, bound)  # from now on without the detour
        return bound
