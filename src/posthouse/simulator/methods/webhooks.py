"""Saying where updates go: setWebhook, deleteWebhook, getWebhookInfo.

As with a local Bot API server any port is accepted, and plain http is accepted for hosts that only this
machine or its neighbours can mean: loopback and private addresses, and names without a dot. No connection
is made.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from posthouse.simulator.bots import Bot, Webhook, Wire
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, bad_request, too_many_requests
from posthouse.simulator.updates import DEFAULT_KINDS, KINDS

CONNECTIONS_DEFAULT = 40
CONNECTIONS_MAX = 100
_SECRET = re.compile(r"[A-Za-z0-9_-]*")


class Described:
    """A result that comes with a description, as those of setWebhook and deleteWebhook do."""

    def __init__(self, description: str) -> None:
        self.result = TRUE
        self.description = description


def set_webhook(call: Call) -> Described:
    url = call.parameters.text("url").strip()
    if not url:
        return delete_webhook(call)
    if call.world.limits and call.now - call.bot.webhook_set_at < 1:
        raise too_many_requests(1)
    webhook = Webhook(
        url=_checked_url(url),
        secret=_checked_secret(call.parameters.text("secret_token")),
        max_connections=call.parameters.integer(
            "max_connections", default=CONNECTIONS_DEFAULT, low=1, high=CONNECTIONS_MAX
        ),
    )
    call.bot.webhook_set_at = call.now
    read_allowed_updates(call.bot, call.parameters)
    drop = call.parameters.flag("drop_pending_updates")
    old = call.bot.webhook
    if not drop and (old.url, old.secret, old.max_connections) == (
        webhook.url,
        webhook.secret,
        webhook.max_connections,
    ):
        return Described("Webhook is already set")
    _replace(call, webhook, drop=drop)
    call.world.journal.record("webhook.set", bot_id=call.bot.id, text=url)
    return Described("Webhook was set")


def delete_webhook(call: Call) -> Described:
    was_set = bool(call.bot.webhook.url)
    _replace(call, Webhook(), drop=call.parameters.flag("drop_pending_updates"))
    if was_set:
        call.world.journal.record("webhook.deleted", bot_id=call.bot.id)
    return Described("Webhook was deleted" if was_set else "Webhook is already deleted")


def get_webhook_info(call: Call) -> Wire:
    bot, webhook = call.bot, call.bot.webhook
    bot.queue.forget_expired(call.now)
    info: Wire = {"url": webhook.url, "has_custom_certificate": False, "pending_update_count": len(bot.queue)}
    if webhook.last_error_at is not None:
        info["last_error_date"] = int(webhook.last_error_at)
        info["last_error_message"] = webhook.last_error
    if webhook.url:
        info["max_connections"] = webhook.max_connections
        info["ip_address"] = _address_of(webhook.url)
    if bot.allowed_updates is not None and bot.allowed_updates != DEFAULT_KINDS:
        info["allowed_updates"] = [kind for kind in KINDS if kind in bot.allowed_updates]
    return info


def read_allowed_updates(bot: Bot, parameters: Parameters) -> None:
    """Store `allowed_updates`: absent or unreadable keeps it as it was, nothing known means the default."""
    if not parameters.has("allowed_updates"):
        return
    try:
        names = parameters.json("allowed_updates")
    except msgspec.DecodeError:
        return
    if isinstance(names, list):
        bot.allowed_updates = frozenset(name for name in names if isinstance(name, str) and name in KINDS) or None


def _replace(call: Call, webhook: Webhook, *, drop: bool) -> None:
    call.bot.webhook = webhook
    if drop:
        call.bot.queue.forget_all()
    call.bot.bell.ring()
    call.world.webhooks_bell.ring()


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
    except ValueError:  # such as https://[[]
        raise bad_request("invalid webhook URL specified") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("invalid webhook URL specified")
    if parts.scheme == "http" and not _is_near(parts.hostname):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    return parts.geturl()


def _is_near(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host
    return address.is_loopback or address.is_private


def _checked_secret(secret: str) -> str:
    if len(secret) > 256:
        raise Refusal(400, "Bad Request: secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    return secret


def _address_of(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        return str(ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else "<unknown>"


METHODS: Methods = {
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
}
