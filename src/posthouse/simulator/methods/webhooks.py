"""Saying where updates go: setWebhook, deleteWebhook, getWebhookInfo.

    url? ─► more than one a second? ─► the same again? ─► close the old one ─► check the new one ─► set

A webhook that exists is closed before the new one is checked, as on the real server: a setWebhook that fails leaves
none. Which URLs are taken is in `webhook_urls`. Deliberately absent: `last_synchronization_error_date`, since there is
no datacenter to lose touch with.
"""

from __future__ import annotations

import re

import msgspec

from posthouse.simulator.bots import Bot, Webhook, Wire
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request, conflict, too_many_requests
from posthouse.simulator.updates import DEFAULT_KINDS, KINDS
from posthouse.simulator.webhook_urls import check_lenient, check_strict, known_address, parse_url

CONNECTIONS_DEFAULT = 40
CONNECTIONS_MAX = 100
CERTIFICATE_BYTES_MAX = 3 * 1024 * 1024
SECRET_CHARACTERS_MAX = 256
_SECRET = re.compile(r"[A-Za-z0-9_-]*")


class Described:
    """A result that comes with a description, as those of setWebhook and deleteWebhook do."""

    def __init__(self, description: str) -> None:
        self.result = TRUE
        self.description = description


async def set_webhook(call: Call) -> Described:
    parameters, bot = call.parameters, call.bot
    written = parameters.text("url").strip()
    if not written:
        return delete_webhook(call)
    if call.world.limits and call.now - bot.webhook_set_at < 1:
        raise too_many_requests(1)
    bot.webhook_set_at = call.now
    bot.webhook_attempts += 1
    webhook = Webhook(
        url=written if "://" in written else f"https://{written}",
        secret=parameters.text("secret_token"),
        max_connections=parameters.integer("max_connections", default=CONNECTIONS_DEFAULT, low=1, high=CONNECTIONS_MAX),
        ip_address=parameters.text("ip_address").strip(),
        certificate=_certificate(parameters),
    )
    drop = parameters.flag("drop_pending_updates")
    if not drop and _same(bot.webhook, webhook):
        read_allowed_updates(bot, parameters)
        return Described("Webhook is already set")
    if bot.webhook.url:
        _replace(call, Webhook(), drop=False)
        call.world.journal.record("webhook.closed", bot_id=bot.id, text="setWebhook puts another in its place")
    await _check(call, webhook)
    read_allowed_updates(bot, parameters)
    _replace(call, webhook, drop=drop)
    call.world.journal.record("webhook.set", bot_id=bot.id, text=webhook.url)
    return Described("Webhook was set")


def _certificate(parameters: Parameters) -> bytes:
    """The uploaded certificate; what is not an upload does not count."""
    upload = parameters.upload("certificate")
    return upload.data if upload is not None else b""


def _same(old: Webhook, new: Webhook) -> bool:
    """Whether nothing would change; a certificate always may."""
    return not (old.certificate or new.certificate) and (
        (old.url, old.secret, old.max_connections, old.ip_address)
        == (new.url, new.secret, new.max_connections, new.ip_address)
    )


async def _check(call: Call, webhook: Webhook) -> None:
    """Raise Refusal for a webhook that the server would not take."""
    parts = parse_url(webhook.url)
    if len(webhook.secret) > SECRET_CHARACTERS_MAX:
        raise bad_request("secret token is too long")
    if not _SECRET.fullmatch(webhook.secret):
        raise bad_request("secret token contains unallowed characters")
    if len(webhook.certificate) > CERTIFICATE_BYTES_MAX:
        raise bad_request(f"certificate size is too big ({len(webhook.certificate)} bytes)")
    if not call.world.strict_webhooks:
        check_lenient(parts, webhook.ip_address)
        webhook.resolved = webhook.ip_address or known_address(parts)
        return
    attempt = call.bot.webhook_attempts
    webhook.resolved = await check_strict(parts, webhook.ip_address)
    if call.bot.webhook_attempts != attempt:
        raise conflict("terminated by other setWebhook")


def delete_webhook(call: Call) -> Described:
    was_set = bool(call.bot.webhook.url)
    call.bot.webhook_attempts += 1
    _replace(call, Webhook(), drop=call.parameters.flag("drop_pending_updates"))
    if was_set:
        call.world.journal.record("webhook.deleted", bot_id=call.bot.id)
    return Described("Webhook was deleted" if was_set else "Webhook is already deleted")


def get_webhook_info(call: Call) -> Wire:
    bot, webhook = call.bot, call.bot.webhook
    bot.queue.forget_expired(call.now)
    info: Wire = {
        "url": webhook.url,
        "has_custom_certificate": bool(webhook.certificate),
        "pending_update_count": len(bot.queue),
    }
    if webhook.last_error_at is not None:
        info["last_error_date"] = int(webhook.last_error_at)
        info["last_error_message"] = webhook.last_error
    if webhook.url:
        info["max_connections"] = webhook.max_connections
        info["ip_address"] = webhook.resolved or "<unknown>"
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
        call.bot.queue.forget_all(call.now)
    call.bot.bell.ring()
    call.world.webhooks_bell.ring()


METHODS: Methods = {
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
}
