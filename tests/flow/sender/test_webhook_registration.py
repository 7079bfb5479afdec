"""Registration of webhooks: nothing is called that need not be, and nothing that would fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sender_stage import TOKEN, ScriptedGateway
from structlog.testing import capture_logs

from posthouse.adapters.http.bot_api import BotApiGateway
from posthouse.core.errors import Refused, Unreachable
from posthouse.runtime.webhooks import (
    DEFAULT_KINDS,
    RememberedFingerprints,
    WebhookFate,
    WebhookPlan,
    WebhookReport,
    WebhookSettings,
    differences,
    flaws_of,
    register_webhooks,
)
from posthouse.testing.clock import ManualClock
from posthouse.testing.town import Town

PLAN = WebhookPlan(
    bot_id=4242,
    name="bot",
    token=TOKEN,
    url="https://bots.example.org/webhook/bot",
    secret="s3cret_secret",
    allowed_updates=("message", "callback_query"),
)
LOCAL = WebhookSettings(local_api=True, stagger_s=0)


class Memory:
    def __init__(self) -> None:
        self.known: dict[int, str] = {}
        self.fingerprints = RememberedFingerprints(self.load, self.save)

    async def load(self, bot_id: int) -> str | None:
        return self.known.get(bot_id)

    async def save(self, bot_id: int, fingerprint: str) -> None:
        self.known[bot_id] = fingerprint


async def register(
    gateway: Any, *plans: WebhookPlan, memory: Memory | None = None, settings: WebhookSettings | None = None
) -> list[WebhookReport]:
    """Register, moving the clock on whenever somebody waits for it."""
    clock = ManualClock()
    task = asyncio.create_task(register_webhooks(gateway, plans, (memory or Memory()).fingerprints, clock, settings))
    async with asyncio.timeout(10):
        while not task.done():
            await asyncio.sleep(0)
            if clock.sleepers:
                clock.advance(1)
    return task.result()


@pytest.mark.req("S1-20")
async def test_a_webhook_is_set_once(town: Town, gateway: BotApiGateway) -> None:
    """The first start sets url, secret, kinds and connections; the next finds them and calls nothing."""
    memory, plan = Memory(), replace(PLAN, url="http://127.0.0.1:9/hook", max_connections=7)
    (first,) = await register(gateway, plan, memory=memory, settings=LOCAL)
    assert (first.fate, first.good, "url" in first.detail) == (WebhookFate.SET, True, True)
    (call,) = await town.calls("setWebhook")
    assert call.parameters == {
        "url": plan.url,
        "secret_token": plan.secret,
        "max_connections": 7,
        "allowed_updates": ["message", "callback_query"],
    }
    (second,) = await register(gateway, plan, memory=memory, settings=LOCAL)
    assert second.fate == WebhookFate.KEPT
    assert len(await town.calls("setWebhook")) == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"url": "http://127.0.0.1:9/other"}, "url"),
        ({"secret": "another"}, "secret"),
        ({"allowed_updates": ("message",)}, "allowed_updates"),
        ({"max_connections": 9}, "max_connections"),
    ],
)
async def test_a_change_is_set(town: Town, gateway: BotApiGateway, change: dict[str, Any], what: str) -> None:
    """Whatever differs, also the secret that Telegram never tells, is set again and named."""
    memory, plan = Memory(), replace(PLAN, url="http://127.0.0.1:9/hook")
    await register(gateway, plan, memory=memory, settings=LOCAL)
    (report,) = await register(gateway, replace(plan, **change), memory=memory, settings=LOCAL)
    assert (report.fate, report.detail) == (WebhookFate.SET, f"changed: {what}")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"url": "http://bots.example.org/x"}, "https"),
        ({"url": "https://bots.example.org:8080/x"}, "8080"),
        ({"url": "https:///x"}, "host"),
        ({"url": "https://bots.example.org:99999/x"}, "URL"),
        ({"url": "https://127.0.0.1/x"}, "reserved"),
        ({"url": "https://10.1.2.3/x"}, "reserved"),
        ({"url": "https://[2001:db8::1]/x"}, "IPv6"),
        ({"url": "https://localhost/x"}, "this machine"),
        ({"url": "https://me@bots.example.org/x"}, "user name"),
        ({"secret": ""}, "secret"),
        ({"secret": "with space"}, "secret"),
        ({"secret": "x" * 257}, "secret"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_connections": 101}, "max_connections"),
        ({"allowed_updates": ("message", "mesage")}, "mesage"),
    ],
)
async def test_what_would_fail_is_not_tried(change: dict[str, Any], word: str) -> None:
    """A webhook that Telegram would refuse is never sent there, because the refusal may cost the old one."""
    gateway = ScriptedGateway()
    (report,) = await register(gateway, replace(PLAN, **change))
    assert report.fate == WebhookFate.INVALID
    assert word in report.detail
    assert gateway.calls == []


@pytest.mark.parametrize("port", ["", ":443", ":80", ":88", ":8443"])
def test_what_telegram_takes_has_no_flaw(port: str) -> None:
    """Every port that Telegram calls is allowed."""
    assert flaws_of(replace(PLAN, url=f"https://bots.example.org{port}/x")) == []


def test_the_default_kinds_are_known_by_their_absence() -> None:
    """Telegram does not name the kinds when they are the default ones; asking for these changes nothing."""
    plan = replace(PLAN, allowed_updates=tuple(DEFAULT_KINDS))
    info = {"url": plan.url, "max_connections": 40}
    assert differences(plan, info, plan.fingerprint()) == []
    empty = replace(PLAN, allowed_updates=())
    assert differences(empty, info, empty.fingerprint()) == []
    anything = replace(PLAN, allowed_updates=None)
    assert differences(anything, info | {"allowed_updates": ["poll"]}, anything.fingerprint()) == []


def test_a_webhook_that_nobody_remembers_is_set_again() -> None:
    """Without a fingerprint the secret may be any: the webhook is set once more to be sure."""
    plan = replace(PLAN, allowed_updates=None)
    info = {"url": plan.url, "max_connections": 40}
    assert differences(plan, info, None) == ["secret (not remembered)"]


async def test_trouble_of_one_bot_is_told_and_holds_up_no_other() -> None:
    """Each bot has its own line in the report; a 409 says that two deployments share a token."""
    gateway = ScriptedGateway()
    names = ["conflict", "token", "away", "kept"]
    plans = [replace(PLAN, bot_id=number, name=name) for number, name in enumerate(names)]
    memory = Memory()
    memory.known[3] = plans[3].fingerprint()
    info = {"url": PLAN.url, "max_connections": 40, "allowed_updates": ["callback_query", "message"]}
    complaint = {"last_error_message": "Read timeout expired", "pending_update_count": 12}
    away = [Unreachable("getWebhookInfo", "no connection", sent=False)] * 4
    gateway.script = [
        {},
        Refused("setWebhook", 409, "Conflict: terminated by other setWebhook"),
        Refused("getWebhookInfo", 401, "Unauthorized"),
        *away,
        info | complaint,
    ]
    with capture_logs() as logs:
        reports = await register(gateway, *plans, memory=memory, settings=WebhookSettings(at_once=1))
    assert [report.fate for report in reports] == [
        WebhookFate.REFUSED,
        WebhookFate.REFUSED,
        WebhookFate.UNREACHABLE,
        WebhookFate.KEPT,
    ]
    assert "two deployments share the token" in reports[0].detail
    assert "token" in reports[1].detail
    assert "Read timeout expired" in reports[3].detail
    assert reports[3].waiting == 12
    assert "webhook.refused" in [line["event"] for line in logs]
    assert TOKEN not in str(logs) + str(reports) + repr(plans)
    assert PLAN.secret not in str(logs) + str(reports) + repr(plans)


async def test_a_flood_is_waited_out() -> None:
    """A 429 is waited for as long as it says, and the call repeated."""
    gateway = ScriptedGateway()
    gateway.script = [
        {},
        Refused("setWebhook", 429, "Too Many Requests: retry after 1", retry_after_s=1.0),
        True,
    ]
    (report,) = await register(gateway, PLAN)
    assert report.fate == WebhookFate.SET
    assert [method for method, _ in gateway.calls] == ["getWebhookInfo", "setWebhook", "setWebhook"]


async def test_a_failed_webhook_is_not_remembered() -> None:
    """What Telegram did not take is tried again at the next start."""
    gateway, memory = ScriptedGateway(), Memory()
    gateway.script = [{}, Refused("setWebhook", 400, "Bad Request: bad webhook: Failed to resolve host")]
    (report,) = await register(gateway, PLAN, memory=memory)
    assert (report.fate, memory.known) == (WebhookFate.REFUSED, {})
    assert "resolve" in report.detail


async def test_many_bots_do_not_all_call_at_once() -> None:
    """A hundred bots register a few at a time."""
    gateway, busy, most = ScriptedGateway(), 0, 0

    async def slowly() -> Any:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(5):
            await asyncio.sleep(0)
        busy -= 1
        return {}

    gateway.script = [slowly] * 200
    plans = [replace(PLAN, bot_id=number, name=str(number)) for number in range(100)]
    reports = await register(gateway, *plans, settings=WebhookSettings(at_once=4, stagger_s=0))
    assert [report.bot for report in reports] == [str(number) for number in range(100)]
    assert most <= 4
