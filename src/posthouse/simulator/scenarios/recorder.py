"""Writing a scenario down while people act, whoever acts through the control API.

It stands before the control application and looks at requests that change something. What is about keeping and
recording itself is left out, and so is the registration of bots: a scenario is played to bots that are there.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from posthouse.simulator.journal import Event
from posthouse.simulator.scenarios.records import Expected, Scenario, Step
from posthouse.simulator.world import World

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LEFT_OUT = ("/scenario", "/snapshot", "/restore", "/reset")
DEEDS = ("bot.said", "bot.edited", "bot.deleted", "bot.answered")


class Recording:
    """A scenario that grows."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.scenario = Scenario(name=name)
        self._seq = world.journal.seq
        self._acted_at = world.clock.now()

    def add(self, step: Step) -> None:
        """One more act; what the bots did until now belongs to the one before."""
        self.collect()
        now = self.world.clock.now()
        step.after_s = round(now - self._acted_at, 3)
        self._acted_at = now
        self.scenario.steps.append(step)

    def collect(self) -> Scenario:
        """The scenario with everything that bots did until now."""
        for event in self.world.journal.after(self._seq):
            self._seq = event.seq
            if event.kind in DEEDS and self.scenario.steps:
                self.scenario.steps[-1].answers.append(_expected(event))
                if event.bot_id is not None and (bot := self.world.town.bots.get(event.bot_id)) is not None:
                    self.scenario.bots.setdefault(bot.id, bot.username)
        return self.scenario


class Recorder:
    """Passes requests on to the control application, and writes down those that change something."""

    def __init__(self, application: Application, world: World, prefix: str) -> None:
        self.application = application
        self.world = world
        self.prefix = prefix
        self.recording: Recording | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(self.prefix)
        if self.recording is None or scope["method"] not in CHANGING or path.startswith(LEFT_OUT) or path == "/bots":
            await self.application(scope, receive, send)
            return
        body = await _read(receive)
        answer = _Answer(send)
        recording = self.recording
        query = scope["query_string"].decode("latin-1")
        written = f"{quote(path, safe='/:@')}{'?' if query else ''}{query}"
        step = _step(f"{scope['method']} {written}", body, _content_type(scope))
        recording.collect()  # before the act: what it brings about is its own
        at = len(recording.scenario.steps)
        recording.add(step)
        await self.application(scope, _again(body, receive), answer)
        step.status = answer.status
        if answer.status in (200, 409):
            step.gives = _ids(answer.json()) if answer.status == 200 else None
        else:
            del recording.scenario.steps[at]  # a mistake of the client, no act


class _Answer:
    def __init__(self, send: Send) -> None:
        self.status = 0
        self._send = send
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
        await self._send(message)

    def json(self) -> Any:
        try:
            return json.loads(self._body)
        except ValueError:
            return None


def _step(does: str, body: bytes, content_type: str) -> Step:
    if not body:
        return Step(does=does)
    if content_type.startswith("application/json"):
        try:
            return Step(does=does, body=_without_nothing(json.loads(body)))
        except ValueError:
            pass
    return Step(does=does, content=base64.b64encode(body).decode(), content_type=content_type)


def _without_nothing(value: Any) -> Any:
    """Fields that were left out are sent as null by typed clients."""
    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if inner is not None}
    return value


def _ids(value: Any) -> Any:
    """What later steps can refer to: `id` and `ref`, and the message or chat that an answer is about."""
    if not isinstance(value, dict):
        return None
    found = {name: value[name] for name in ("id", "ref", "chat") if isinstance(value.get(name), int | str)}
    return found or None


def _expected(event: Event) -> Expected:
    buttons = event.details.get("buttons")
    return Expected(
        kind=event.kind,  # type: ignore[arg-type]  # one of DEEDS
        bot=event.bot_id,
        chat=event.chat,
        text=event.text or None,
        buttons=buttons if isinstance(buttons, list) else None,
    )


def _content_type(scope: MutableMapping[str, Any]) -> str:
    return next((str(value, "latin-1") for name, value in scope["headers"] if name == b"content-type"), "")


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that begins with the body that was read already."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
