"""`posthouse.toml` and the environment, read once, checked key by key.

    [store]      url
    [sessions]   store, redis_url, …
    [http]       host, port, public_url, register_webhooks
    [telegram]   api_url
    [bots.NAME]  program, token, secret, mode, …
    [models.NAME] provider, model, api_key, …
    [ingress] [executor] [sender] [jobs] [retention] [blobs] [log]

Secrets come from the environment alone: a token or secret in the file is refused unless it is `"${NAME}"`. An unknown
or wrong key is an error that names the key, the file and the mend. Every field below is one line of the reference.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from posthouse.core.errors import ConfigurationInvalid

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = {"token", "secret", "api_key"}
_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of the file."""


class StoreSection(Section, frozen=True):
    url: str = "sqlite:///posthouse-data/posthouse.db"  # or postgresql://user:password@host/database
    lease_ttl_s: float = 30.0  # how long a silent worker keeps a lane
    pool_max: int = 8  # PostgreSQL connections of one process
    pooler: bool = False  # behind a transaction pooler such as PgBouncer
    lock_url: str | None = None  # a direct address past the pooler, for the worker's lock


class SessionsSection(Section, frozen=True):
    store: Literal["database", "redis"] = "database"  # where what chats remember is kept, with [store] beside it
    redis_url: str = "redis://localhost:6379/0"  # or rediss://user:password@host, unix:///path; no Cluster
    ttl_s: float = 86_400.0  # Redis forgets a chat so long after its last change (S4-7)
    key_prefix: str = "{bot_id}:"  # before each key in Redis; "" for the bare session:{chat} of S4-12, with one bot


class HttpSection(Section, frozen=True):
    host: str = "127.0.0.1"  # where to listen; 0.0.0.0 for every address
    port: int = 8080  # 0 picks a free one
    public_url: str | None = None  # the https address under which Telegram reaches this server
    register_webhooks: bool = True  # call setWebhook at start when something changed
    trusted_proxies: str = "127.0.0.1"  # whose X-Forwarded-For is believed, for per_ip; several with commas


class TelegramSection(Section, frozen=True):
    api_url: str = "https://api.telegram.org"  # any Bot API server


class RateSection(Section, frozen=True):
    per_s: float = 0.0  # updates a second; 0 is off
    burst: int = 20  # so many at once


class IngressSection(Section, frozen=True):
    body_max_bytes: int = 1024 * 1024  # of one webhook request; more is answered 413
    waiting_max: int = 4096  # updates that may wait for the disk before 503
    retry_after_s: int = 2  # what a 503 asks Telegram to wait
    per_user: RateSection = RateSection()  # S2-15; 0 is off
    per_ip: RateSection = RateSection()  # S2-15; more than that is answered 429, and Telegram comes again


class ExecutorSection(Section, frozen=True):
    concurrency: int = 256  # lanes worked on at once
    depth_max: int = 64  # entries of one lane taken at once, at most
    stop_deadline_s: float = 20.0  # how long a graceful stop waits for handlers


class SenderSection(Section, frozen=True):
    concurrency: int = 512  # calls in flight
    call_timeout_s: float = 60.0  # of one Bot API call; uploads get more by their size


class JobsSection(Section, frozen=True):
    concurrency: int = 4  # jobs at once of a queue that is not named in `queues`
    queues: dict[str, int] = {}  # jobs at once, by queue
    lease_ttl_s: float = 30.0  # how long a silent worker keeps a job
    threads_max: int = 16  # of jobs that are plain functions


class RetentionSection(Section, frozen=True):
    seen_hours: float = 72.0  # how long update ids are remembered; at least 48 (B-13)
    dead_letters_days: float = 30.0  # after a dead letter was closed
    sessions_days: float = 30.0  # after a session ended or expired, with its history


class BlobsSection(Section, frozen=True):
    url: str | None = None  # a folder; default: `blobs` beside the database


class ModelSection(Section, frozen=True):
    provider: Literal["anthropic", "openai"]  # whose dialect it speaks; many other servers speak the second
    model: str  # its name there
    api_key: str = ""  # from the environment; empty where the server asks for none
    base_url: str | None = None  # another server, as in its SDK: with /v1 for openai, without for anthropic
    timeout_s: float = 30.0  # of a whole answer, and of a silence in a stream


class LogSection(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"  # debug shows the road of every update
    format: Literal["auto", "console", "json"] = "auto"  # auto: console on a terminal, else json


class LimitsSection(Section, frozen=True):
    bot_per_s: float = 30.0  # messages of the bot in a second
    bot_burst: int = 5  # so many at once
    chat_per_s: float = 1.0  # messages to a private chat in a second
    chat_burst: int = 3  # so many at once
    group_per_min: float = 20.0  # messages to a group in a minute
    group_burst: int = 3  # so many at once
    broadcast_per_s: float = 0.0  # paid broadcasts; up to 1,000 when the bot may


class BotSection(Section, frozen=True):
    program: str  # "module:object": a posthouse App or an aiogram Dispatcher
    token: str  # BotFather's, from the environment
    secret: str | None = None  # webhook secret; a webhook bot without one does not start (S1-8)
    mode: Literal["webhook", "polling"] = "webhook"  # how updates come
    bot: str | None = None  # "module:object": your own aiogram Bot, for its defaults
    env: str | None = None  # whose sessions it sees, when not those of the file's `env`
    path: str | None = None  # default /webhook/<name>
    lane: Literal["chat", "user"] = "chat"  # what is kept in order; "user" for aiogram's GLOBAL_USER strategy
    max_connections: int = 40  # that Telegram may open to the webhook, 1 to 100
    attempts_max: int = 5  # runs of one entry before it becomes a dead letter; after crashes one more, alone
    retry_base_s: float = 1.0  # the first pause between runs; it doubles, with jitter
    retry_cap_s: float = 300.0  # the longest pause
    on_dead: Literal["skip", "hold", "drop"] = "skip"  # with dead letters: go on, hold the chat, or keep none
    handler_timeout_s: float = 30.0  # how long one run may take
    transact_budget_s: float = 1.0  # how long a `turn.transact` may stay open
    uncertain_calls: Literal["resend", "drop", "park"] = "resend"  # a hosted call whose end is not known
    limits: LimitsSection | Literal["telegram", "none"] = "telegram"  # Telegram's, none, or your own


class Settings(Section, frozen=True):
    """The whole file. `path` and `root` say where it came from; relative paths count from `root`."""

    env: str = "prod"  # part of a session's identity: what "dev" remembers, "prod" never sees (S0-12)
    bots: dict[str, BotSection] = {}
    store: StoreSection = StoreSection()
    sessions: SessionsSection = SessionsSection()
    http: HttpSection = HttpSection()
    telegram: TelegramSection = TelegramSection()
    ingress: IngressSection = IngressSection()
    executor: ExecutorSection = ExecutorSection()
    sender: SenderSection = SenderSection()
    jobs: JobsSection = JobsSection()
    retention: RetentionSection = RetentionSection()
    blobs: BlobsSection = BlobsSection()
    models: dict[str, ModelSection] = {}
    log: LogSection = LogSection()
    path: str = "posthouse.toml"
    root: str = "."


def load(path: str | Path = "posthouse.toml", *, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check a configuration file. Raises `ConfigurationInvalid`, which names key, file and mend."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationInvalid(
            f"{path} cannot be read ({error.strerror}): pass --config FILE, or make a project with `posthouse new NAME`"
        ) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid(f"{path} is not TOML: {error}") from None
    return parse(raw, path=path, environment=os.environ if environment is None else environment)


def parse(raw: dict[str, Any], *, path: Path, environment: Mapping[str, str]) -> Settings:
    """Check what a file says."""
    for key in ("path", "root"):
        if key in raw:
            raise ConfigurationInvalid(f"{key} in {path}: no such key; see the settings reference in docs/settings.md")
    filled = _filled(raw, "", path, environment)
    try:
        settings = msgspec.convert(filled, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationInvalid(_explained(error, path, _wrong_bot(filled))) from None
    _check(settings, path)
    return msgspec.structs.replace(settings, path=str(path), root=str(path.parent.resolve()))


def _filled(value: Any, key: str, path: Path, environment: Mapping[str, str]) -> Any:
    """The value with `${NAME}` taken from the environment."""
    if isinstance(value, dict):
        return {
            name: _filled(item, f"{key}.{name}" if key else name, path, environment) for name, item in value.items()
        }
    if not isinstance(value, str):
        return value
    last = key.rsplit(".", 1)[-1]
    if key.startswith(("bots.", "models.")) and last in _SECRET_KEYS and _VARIABLE.fullmatch(value) is None:
        raise ConfigurationInvalid(
            f'{key} in {path}: secrets come from the environment alone; write {last} = "${{NAME}}" and set NAME there'
        )

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name not in environment:
            raise ConfigurationInvalid(
                f"{key} in {path}: the environment variable {name} is not set; set it and start again"
            )
        return environment[name]

    return _VARIABLE.sub(fill, value)


def _wrong_bot(filled: dict[str, Any]) -> str:
    """The bot whose table is wrong: msgspec says `bots[...]`."""
    bots = filled.get("bots")
    for name, bot in bots.items() if isinstance(bots, dict) else ():
        try:
            msgspec.convert(bot, BotSection, strict=False)
        except msgspec.ValidationError:
            return str(name)
    return "NAME"


def _explained(error: msgspec.ValidationError, path: Path, bot: str) -> str:
    text = str(error).replace("$.bots[...]", f"$.bots.{bot}")
    found = re.search(r"unknown field `(.+?)`(?: - at `\$\.?(.*?)`)?$", text)
    if found:
        where = ".".join(part for part in (found[2], found[1]) if part)
        return f"{where} in {path}: no such key; see the settings reference in docs/settings.md"
    found = re.search(r"^(.*) - at `\$\.?(.*?)`$", text)
    if found:
        return f"{found[2]} in {path}: {found[1][0].lower()}{found[1][1:]}"
    return f"{path}: {text}"


def _check(settings: Settings, path: Path) -> None:
    """What the types cannot say."""

    def refuse(key: str, problem: str) -> None:
        raise ConfigurationInvalid(f"{key} in {path}: {problem}")

    seen: dict[str, str] = {}
    for name, bot in settings.bots.items():
        key = f"bots.{name}"
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            refuse(key, "a bot's name has 1-64 letters, digits, - or _")
        if _TOKEN.fullmatch(bot.token) is None:
            refuse(f"{key}.token", "this is not a bot token; BotFather's look like 123456:ABC-DEF")
        number = bot.token.split(":", 1)[0]
        if number in seen:
            refuse(f"{key}.token", f"bot {number} is configured twice, as {seen[number]} and {name}")
        seen[number] = name
        if bot.mode == "webhook" and not bot.secret:
            refuse(
                f"{key}.secret",
                'a webhook bot without a secret would take updates from anybody; set secret = "${NAME}" '
                'or mode = "polling"',
            )
        if bot.secret and _SECRET.fullmatch(bot.secret) is None:
            refuse(f"{key}.secret", "Telegram allows 1-256 of the characters A-Z a-z 0-9 _ -")
        if not 1 <= bot.max_connections <= 100:
            refuse(f"{key}.max_connections", f"{bot.max_connections} is outside Telegram's 1-100")
        if ":" not in bot.program:
            refuse(f"{key}.program", f'{bot.program!r} is not "module:object"')
        if bot.attempts_max < 1:
            refuse(f"{key}.attempts_max", "at least 1 is needed: the first try is one")
    if settings.retention.seen_hours < 48:
        refuse(
            "retention.seen_hours",
            "Telegram repeats updates for up to 24 h; at least 48 are remembered (B-13)",
        )
    if not settings.store.url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        refuse("store.url", f"{settings.store.url.split('@')[-1]!r} is neither sqlite:///… nor postgresql://…")
    sessions = settings.sessions
    if not sessions.redis_url.startswith(("redis://", "rediss://", "unix://")):
        shown = sessions.redis_url.split("@")[-1]
        refuse("sessions.redis_url", f"{shown!r} is neither redis://… nor rediss://… nor unix://…")
    if sessions.ttl_s < 1:
        refuse("sessions.ttl_s", f"{sessions.ttl_s:g} is less than a second; S4-7 has 86400")
    if sessions.store == "redis" and len(settings.bots) > 1 and "{bot_id}" not in sessions.key_prefix:
        refuse(
            "sessions.key_prefix",
            f"{len(settings.bots)} bots would share the keys of their chats; put {{bot_id}} into it",
        )
    if not 0 <= settings.http.port <= 65535:
        refuse("http.port", f"{settings.http.port} is not a port")
    if (
        settings.http.register_webhooks
        and not settings.http.public_url
        and any(bot.mode == "webhook" for bot in settings.bots.values())
    ):
        refuse(
            "http.public_url",
            "webhook bots need the https address under which Telegram reaches this server; set it, or "
            'register_webhooks = false when you call setWebhook yourself, or mode = "polling" for the bot',
        )


def sqlite_path(settings: Settings) -> str:
    """The database file of a `sqlite:///` URL; a relative one counts from the configuration file."""
    return str(Path(settings.root) / settings.store.url.removeprefix("sqlite:///"))
