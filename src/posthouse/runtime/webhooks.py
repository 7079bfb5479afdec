"""Webhook registration: at start, every bot's webhook at Telegram is made to be what the configuration says.

    flaws_of (local) ─► getWebhookInfo ─► differences ─┬─ none ─► kept
                                                       └─ some ─► setWebhook ─► remember it ─► set

A setWebhook that fails can remove the webhook that was there, so what can be checked here is checked before
the call, and nothing is called when nothing changed. Telegram never tells the secret; what was last set is
remembered as a *fingerprint*, a hash over all of it. Success says that the host has an address, not that
anything answers there: the report passes on what Telegram last complained about.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
import structlog

from posthouse.core.errors import Refused, Unreachable
from posthouse.core.retry import RetryPolicy
from posthouse.ports.clock import Clock
from posthouse.ports.telegram import TelegramGateway
from posthouse.telegram.peek import UPDATE_KINDS

log = structlog.get_logger("posthouse.webhooks")

PORTS = frozenset({443, 80, 88, 8443})
OPT_IN_KINDS = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
DEFAULT_KINDS = frozenset(UPDATE_KINDS) - OPT_IN_KINDS
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_STUBBORN = RetryPolicy(attempts_max=4, base_s=1.0, cap_s=10.0)
_CONFLICT = (
    "somebody else set this bot's webhook at the same moment: two deployments share the token. "
    "Give each its own bot, or stop the other one"
)


@dataclass(frozen=True, slots=True)
class WebhookPlan:
    """What one bot's webhook is to be. `allowed_updates` None leaves Telegram's setting as it is."""

    bot_id: int
    name: str
    token: str = field(repr=False)
    url: str
    secret: str = field(repr=False)
    allowed_updates: tuple[str, ...] | None = None
    max_connections: int = 40

    def fingerprint(self) -> str:
        """A hash over all that is set, the secret included."""
        kinds = None if self.allowed_updates is None else sorted(self.allowed_updates)
        told = msgspec.json.encode([self.bot_id, self.url, self.secret, kinds, self.max_connections])
        return hashlib.sha256(told).hexdigest()


class WebhookFate(StrEnum):
    """What became of one registration."""

    KEPT = "kept"
    SET = "set"
    INVALID = "invalid"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """One line for the operator: the bot, what was done, and why."""

    bot: str
    fate: WebhookFate
    detail: str = ""
    waiting: int = 0  # updates that wait at Telegram

    @property
    def good(self) -> bool:
        return self.fate in (WebhookFate.KEPT, WebhookFate.SET)


class Fingerprints(Protocol):
    """Remembers, across restarts, what was last set for a bot."""

    async def load(self, bot_id: int) -> str | None: ...

    async def save(self, bot_id: int, fingerprint: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How registration goes about it. `local_api`: a Bot API server that takes http, any port and address."""

    local_api: bool = False
    at_once: int = 8
    stagger_s: float = 0.05
    call_timeout_s: float = 30.0
    retry_after_max_s: float = 60.0
    retry: RetryPolicy = _STUBBORN


def flaws_of(plan: WebhookPlan, *, local_api: bool = False) -> list[str]:
    """Why Telegram would refuse this webhook, as far as can be known without asking; [] when it would not."""
    flaws: list[str] = []
    if not _SECRET.fullmatch(plan.secret):
        flaws.append("the secret must be 1 to 256 characters of A-Z, a-z, 0-9, _ and -")
    if not 1 <= plan.max_connections <= 100 and not local_api:
        flaws.append(f"max_connections is {plan.max_connections}; Telegram takes 1 to 100")
    unknown = sorted(set(plan.allowed_updates or ()) - set(UPDATE_KINDS))
    if unknown:
        flaws.append(f"there are no updates of kind {', '.join(unknown)}")
    return flaws + _flaws_of_url(plan.url, local_api)


def _flaws_of_url(url: str, local_api: bool) -> list[str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return [f"{url!r} is not a URL: {error}"]
    if not host:
        return [f"{url!r} is not a URL with a host"]
    if local_api:
        return [] if parts.scheme in ("http", "https") else [f"{url!r} is neither http nor https"]
    flaws: list[str] = []
    if parts.scheme != "https":
        flaws.append(f"{url!r} is not https, and Telegram calls nothing else")
    if (port or 443) not in PORTS:
        flaws.append(f"port {port} is not one of 443, 80, 88 and 8443, the only ones that Telegram calls")
    if parts.username or parts.fragment:
        flaws.append("the URL must have neither a user name nor a fragment")
    return flaws + _flaws_of_address(host)


def _flaws_of_address(host: str) -> list[str]:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return [f"{host} is this machine, which Telegram cannot reach"] if host == "localhost" else []
    if address.version == 6:
        return [f"{host} is an IPv6 address, and Telegram calls IPv4 only"]
    return [] if address.is_global else [f"{host} is a reserved address, which Telegram cannot reach"]


def differences(plan: WebhookPlan, info: dict[str, Any], remembered: str | None) -> list[str]:
    """What Telegram has (a WebhookInfo) and what the plan wants differ in; [] when they agree."""
    found: list[str] = []
    if info.get("url", "") != plan.url:
        found.append("url")
    if info.get("url") and info.get("max_connections", 40) != plan.max_connections:
        found.append("max_connections")
    if plan.allowed_updates is not None:
        has = frozenset(info.get("allowed_updates") or DEFAULT_KINDS)
        wants = frozenset(plan.allowed_updates) or DEFAULT_KINDS
        if has != wants:
            found.append("allowed_updates")
    if remembered != plan.fingerprint() and not found:
        found.append("secret" if remembered else "secret (not remembered)")
    return found


async def register_webhooks(
    gateway: TelegramGateway,
    plans: Sequence[WebhookPlan],
    fingerprints: Fingerprints,
    clock: Clock,
    settings: WebhookSettings | None = None,
) -> list[WebhookReport]:
    """Make every bot's webhook what its plan says; one report per plan, in their order. Safe to repeat."""
    registrar = _Registrar(gateway, fingerprints, clock, settings or WebhookSettings())
    return await registrar.register_all(plans)


async def clear_webhook(
    gateway: TelegramGateway, name: str, token: str, clock: Clock, settings: WebhookSettings | None = None
) -> bool:
    """Delete the bot's webhook when it has one, since polling is refused while it does; True when it had one.

    Waiting updates stay. Raises `Refused` or `Unreachable` when Telegram will not.
    """
    settings = settings or WebhookSettings()
    info = await _call(gateway, token, "getWebhookInfo", {}, clock, settings)
    url = info.get("url", "")
    if not url:
        return False
    log.warning(
        "webhook.deleted",
        bot=name,
        url=url,
        why="this bot is set to polling, and Telegram refuses getUpdates while a webhook is set. If another "
        "deployment uses that webhook, it gets no updates from now on: give it a bot of its own.",
    )
    await _call(gateway, token, "deleteWebhook", {"drop_pending_updates": False}, clock, settings)
    return True


class _Registrar:
    """Registers many bots, a few at a time."""

    def __init__(
        self, gateway: TelegramGateway, fingerprints: Fingerprints, clock: Clock, settings: WebhookSettings
    ) -> None:
        self._gateway = gateway
        self._fingerprints = fingerprints
        self._clock = clock
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.at_once)

    async def register_all(self, plans: Sequence[WebhookPlan]) -> list[WebhookReport]:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number, plan in enumerate(plans):
                if number:
                    await self._clock.sleep(self._settings.stagger_s)
                tasks.append(group.create_task(self._register(plan)))
        return [task.result() for task in tasks]

    async def _register(self, plan: WebhookPlan) -> WebhookReport:
        async with self._slots:
            report = await self._outcome(plan)
        tell = log.info if report.good else log.error
        tell(f"webhook.{report.fate}", bot=report.bot, detail=report.detail, waiting=report.waiting)
        return report

    async def _outcome(self, plan: WebhookPlan) -> WebhookReport:
        flaws = flaws_of(plan, local_api=self._settings.local_api)
        if flaws:
            return WebhookReport(plan.name, WebhookFate.INVALID, "; ".join(flaws))
        try:
            return await self._reconcile(plan)
        except Refused as error:
            detail = _CONFLICT if error.code == 409 else f"{error.code} {error.description}"
            if error.code in (401, 404):
                detail += ": Telegram does not know this token"
            return WebhookReport(plan.name, WebhookFate.REFUSED, detail)
        except Unreachable as error:
            return WebhookReport(plan.name, WebhookFate.UNREACHABLE, str(error))

    async def _reconcile(self, plan: WebhookPlan) -> WebhookReport:
        info = await self._ask(plan, "getWebhookInfo", {})
        waiting = info.get("pending_update_count", 0)
        changed = differences(plan, info, await self._fingerprints.load(plan.bot_id))
        complaint = info.get("last_error_message", "")
        if not changed:
            detail = f"Telegram's last complaint: {complaint}" if complaint else ""
            return WebhookReport(plan.name, WebhookFate.KEPT, detail, waiting)
        wanted: dict[str, Any] = {
            "url": plan.url,
            "secret_token": plan.secret,
            "max_connections": plan.max_connections,
        }
        if plan.allowed_updates is not None:
            wanted["allowed_updates"] = list(plan.allowed_updates)
        await self._ask(plan, "setWebhook", wanted)
        await self._fingerprints.save(plan.bot_id, plan.fingerprint())
        return WebhookReport(plan.name, WebhookFate.SET, f"changed: {', '.join(changed)}", waiting)

    async def _ask(self, plan: WebhookPlan, method: str, parameters: dict[str, Any]) -> Any:
        return await _call(self._gateway, plan.token, method, parameters, self._clock, self._settings)


async def _call(
    gateway: TelegramGateway,
    token: str,
    method: str,
    parameters: dict[str, Any],
    clock: Clock,
    settings: WebhookSettings,
) -> Any:
    """One call, again after a 429, a server error or no answer: all three methods are harmless twice."""
    payload = msgspec.json.encode(parameters)
    attempts = 0
    while True:
        attempts += 1
        try:
            return await gateway.call(token, method, payload, timeout_s=settings.call_timeout_s)
        except (Refused, Unreachable) as error:
            delay_s = _delay_s(error, attempts, settings)
            if delay_s is None:
                raise
        await clock.sleep(delay_s)


def _delay_s(error: Refused | Unreachable, attempts: int, settings: WebhookSettings) -> float | None:
    """How long to wait before the next try; None when there is none."""
    if settings.retry.exhausted(attempts):
        return None
    if isinstance(error, Refused):
        if error.code == 429:
            wait_s = 1.0 if error.retry_after_s is None else error.retry_after_s
            return wait_s if wait_s <= settings.retry_after_max_s else None
        if error.code < 500:
            return None
    return settings.retry.delay_s(attempts)


class RememberedFingerprints:
    """`Fingerprints` from two functions."""

    def __init__(
        self,
        load: Callable[[int], Awaitable[str | None]],
        save: Callable[[int, str], Awaitable[None]],
    ) -> None:
        self.load = load
        self.save = save
