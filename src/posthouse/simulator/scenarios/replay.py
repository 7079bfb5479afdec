"""Doing a scenario again, against any running simulator, and waiting for the same answers.

Ids that differ this time (of people, groups, messages, queries) are put in the place of the recorded ones: what a
step gives now stands for what it gave then.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import aiohttp

from posthouse.simulator.scenarios.records import Expected, Scenario, Step

WITHIN_S = 10.0
SHOWN = 20
_MESSAGE_KEYS = frozenset({"message", "message_id", "reply_to"})
_MESSAGE_PATH = re.compile(r"^(/chats/([^/]+)/messages/)(\d+)(.*)$")


class ReplayFailed(AssertionError):
    """A step went another way than it was recorded; the message names it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay."""

    steps: int
    answers: int
    took_s: float
    """Real seconds."""


@dataclass(slots=True)
class Names:
    """What stands for what: recorded ids and today's."""

    ids: dict[str, str] = field(default_factory=dict)
    messages: dict[tuple[str, int], int] = field(default_factory=dict)
    """By the recorded chat and the recorded number."""

    def learn(self, then: Any, now: Any) -> None:
        """A step gave that then and this now."""
        if not isinstance(then, dict) or not isinstance(now, dict):
            return
        for name in ("id", "ref", "chat"):
            if name in then and name in now:
                self._learn_one(name, then, now)

    def _learn_one(self, name: str, then: dict[str, Any], now: dict[str, Any]) -> None:
        if name == "id" and "chat" in then and isinstance(then["id"], int):
            self.messages[str(then["chat"]), then["id"]] = int(now["id"])
        else:
            self.ids[str(then[name])] = str(now[name])

    def text(self, written: str) -> str:
        """The same reference today: an id, or `<bot>:<person>`."""
        if written in self.ids:
            return self.ids[written]
        return ":".join(self.ids.get(part, part) for part in written.split(":")) if ":" in written else written

    def path(self, path: str) -> str:
        path, question, query = path.partition("?")
        if (found := _MESSAGE_PATH.match(path)) is not None:
            number = self.messages.get((unquote(found[2]), int(found[3])), int(found[3]))
            path = f"{found[1]}{number}{found[4]}"
        parts = [quote(self.text(unquote(part)), safe=":@") for part in path.split("/")]
        return "/".join(parts) + question + query

    def body(self, value: Any, chat: str, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.body(inner, chat, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.body(inner, chat, key) for inner in value]
        if isinstance(value, bool) or not isinstance(value, int | str) or key in ("text", "first_name", "title"):
            return value
        if key in _MESSAGE_KEYS and isinstance(value, int):
            return self.messages.get((chat, value), value)
        if isinstance(value, str):
            return self.text(value)
        return int(self.ids.get(str(value), value))


async def replay(
    url: str, scenario: Scenario, *, bots: dict[int, str] | None = None, within_s: float = WITHIN_S
) -> Replayed:
    """Do every step on the simulator at this URL, or raise ReplayFailed.

    `bots` puts other bots, by token, in the place of recorded ones. `within_s` is how long an answer may take, in
    real seconds. The town needs not be empty.
    """
    began = time.monotonic()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        run = _Replay(session, f"{url.rstrip('/')}/sim/v1", scenario, within_s)
        await run.introduce(bots or {})
        answers = 0
        for number, step in enumerate(scenario.steps, start=1):
            answers += await run.do(number, step)
    return Replayed(len(scenario.steps), answers, time.monotonic() - began)


class _Replay:
    def __init__(self, session: aiohttp.ClientSession, api: str, scenario: Scenario, within_s: float) -> None:
        self.session = session
        self.api = api
        self.scenario = scenario
        self.within_s = within_s
        self.names = Names()

    async def introduce(self, bots: dict[int, str]) -> None:
        """Register the bots that stand in, and see that the others are there."""
        for bot_id, token in bots.items():
            await self._request("POST", "/bots", json={"token": token})
            self.names.ids[str(bot_id)] = token.partition(":")[0]
        known = {bot["id"] for bot in (await self._request("GET", "/bots"))[1]}
        for bot_id, name in self.scenario.bots.items():
            if int(self.names.text(str(bot_id))) not in known:
                raise ReplayFailed(
                    f"the bot {bot_id} ({name}) has not called this simulator yet; start it, or say which bot stands "
                    "in for it with --bot"
                )

    async def do(self, number: int, step: Step) -> int:
        """One act and its answers; return how many answers there were."""
        place = f"step {number} ({step.does})"
        cursor = await self._newest()
        method, _, path = step.does.partition(" ")
        found = _MESSAGE_PATH.match(path) or re.match(r"^(/chats/([^/]+))", path)
        chat = unquote(found[2]) if found else str(step.body.get("chat", "")) if isinstance(step.body, dict) else ""
        if step.content is not None:
            sent: dict[str, Any] = {
                "data": base64.b64decode(step.content),
                "headers": {"Content-Type": step.content_type or "application/octet-stream"},
            }
        else:
            sent = {} if step.body is None else {"json": self.names.body(step.body, chat)}
        status, given = await self._request(method, self.names.path(path), **sent)
        if status != step.status:
            words = given.get("detail", given) if isinstance(given, dict) else given
            raise ReplayFailed(f"{place}: answered {status} where {step.status} was recorded: {words}")
        self.names.learn(step.gives, given)
        await self._await_answers(place, step.answers, cursor)
        return len(step.answers)

    async def _newest(self) -> int:
        """The newest point of the journal."""
        answer = await self._request("GET", "/events", params={"limit": "1", "kind": "nothing"})
        return int(answer[1]["cursor"])

    async def _await_answers(self, place: str, answers: list[Expected], cursor: int) -> None:
        """Each expected answer once, in whatever order the bots gave them."""
        missing = [self._today(answer) for answer in answers]
        seen: list[dict[str, Any]] = []
        end = time.monotonic() + self.within_s
        while missing:
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise ReplayFailed(f"{place}: not answered: {_shown(missing[0])}; but: {_seen(seen)}")
            params = {"after": str(cursor), "within_s": f"{left_s:.3f}"}
            found = (await self._request("GET", "/events", params=params))[1]
            cursor = found["cursor"]
            for event in found["events"]:
                if not event["kind"].startswith("bot."):
                    continue
                seen.append(event)
                fulfilled = next((answer for answer in missing if _fits(answer, event)), None)
                if fulfilled is not None:
                    missing.remove(fulfilled)

    def _today(self, answer: Expected) -> Expected:
        return answer.model_copy(
            update={
                "chat": None if answer.chat is None else self.names.text(answer.chat),
                "bot": None if answer.bot is None else int(self.names.text(str(answer.bot))),
            }
        )

    async def _request(self, method: str, path: str, **sent: Any) -> tuple[int, Any]:
        try:
            async with self.session.request(method, f"{self.api}{path}", **sent) as response:
                if response.content_type != "application/json":
                    return response.status, None
                return response.status, await response.json()
        except aiohttp.ClientConnectionError as error:
            raise ReplayFailed(
                f"no simulator answers at {self.api} ({error}); start one with `posthouse sim`"
            ) from None


def _fits(answer: Expected, event: dict[str, Any]) -> bool:
    text = event["text"] or ""
    return (
        event["kind"] == answer.kind
        and answer.bot in (None, event["bot_id"])
        and answer.chat in (None, event["chat"])
        and answer.text in (None, text)
        and (answer.contains is None or answer.contains in text)
        and (answer.matches is None or re.search(answer.matches, text) is not None)
        and (answer.buttons is None or answer.buttons == event["details"].get("buttons"))
    )


def _shown(answer: Expected) -> str:
    return str(answer.model_dump(exclude_none=True))


def _seen(events: list[dict[str, Any]]) -> str:
    lines = [f"{event['kind']} {event['chat']} {event['text']!r}" for event in events[-SHOWN:]]
    return "; ".join(lines) or "the bots did nothing"
