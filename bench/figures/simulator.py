"""How fast the simulator is, so that it never is the bottleneck of a test.

*Calls.* One process on its own port, without limits; 32 connections call sendMessage as fast as they are answered, in
turns into 100 private chats. What counts is calls per second of the simulator's own processor time (one core): the
load generator shares the machine.

*A large town.* Somebody in 1,000 groups with 10,000 messages, and one chat with as many as are kept: how long the lists
take that the chat page asks for, and how long a snapshot stops everything.

*A simulator for each test.* Started, asked for a person over its control API, and stopped, in a process that had one
before: processor time.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from bench.process import Server, free_port, running
from bench.report import Plan, Report, Rows, Verdict, median, spread

TOKEN = "4242:bench"
CALLS_PER_S = 3_000
RESPONSIVE_S = 0.25
CONNECTIONS = 32
CHATS_CALLED = 100
CHATS = 1_000
MESSAGES = 10_000
LONG_CHAT = 5_000
STARTS = 50
LIST = "a person's list of chats"
PAGE = "a page of a long chat"


def measure(plan: Plan) -> Report:
    report = Report("simulator")
    _measure_calls(plan, report)
    _measure_town(plan, report)
    _measure_starts(report)
    report.conditions = [
        f"sendMessage over {CONNECTIONS} kept connections; calls are logged and journaled as always",
        "calls per second of one core = calls / processor seconds of the simulator's process",
    ]
    return report


def _measure_starts(report: Report) -> None:
    first_ms, each_ms = asyncio.run(_start(STARTS))
    report.tables.append(
        Rows(
            "A simulator of its own for a test, CPU ms",
            ["the first of a process", f"each of {STARTS} after it"],
            [[first_ms, each_ms]],
        )
    )


async def _start(times: int) -> tuple[float, float]:
    from posthouse.simulator import Simulator
    from posthouse.testing.town import Town

    async def one() -> None:
        async with Simulator(limits="off", seed=1) as simulator, Town(simulator.url) as town:
            await town.person("Ann")

    began = time.process_time()
    await one()
    first = time.process_time()
    for _ in range(times):
        await one()
    return 1e3 * (first - began), 1e3 * (time.process_time() - first) / times


@dataclass(frozen=True)
class _Round:
    calls_per_s: float
    cpu_us: float

    @property
    def per_core_s(self) -> float:
        return 1e6 / self.cpu_us


def _measure_calls(plan: Plan, report: Report) -> None:
    rounds = {}
    for limits in ("off", "on"):
        rounds[limits] = [_call(plan.seconds, limits) for _ in range(plan.rounds)]
    report.tables.append(
        Rows(
            "sendMessage, one process",
            ["limits", "calls/s of one core", "range", "calls/s as measured", "CPU µs per call"],
            [
                [
                    limits,
                    median([one.per_core_s for one in done]),
                    spread([one.per_core_s for one in done]),
                    median([one.calls_per_s for one in done]),
                    median([one.cpu_us for one in done]),
                ]
                for limits, done in rounds.items()
            ],
        )
    )
    rate = median([one.per_core_s for one in rounds["off"]])
    report.verdicts.append(
        Verdict("sendMessage calls/s of one core, no limits", f"≥ {CALLS_PER_S:,}", f"{rate:,.0f}", rate >= CALLS_PER_S)
    )
    report.data["calls"] = {limits: [one.per_core_s for one in done] for limits, done in rounds.items()}


def _call(seconds: float, limits: str) -> _Round:
    with _simulator(limits) as (server, url):
        people = asyncio.run(_settle(url, CHATS_CALLED))
        cpu_before_s = server.cpu_s()
        began = time.monotonic()
        calls = asyncio.run(_load(url, people, seconds))
        took_s = time.monotonic() - began
        return _Round(calls / took_s, (server.cpu_s() - cpu_before_s) * 1e6 / calls)


def _measure_town(plan: Plan, report: Report) -> None:
    chats, messages = plan.scaled(CHATS, 100), plan.scaled(MESSAGES, 1_000)
    with _simulator("off") as (_, url):
        person = asyncio.run(_fill(url, chats, messages))
        times = asyncio.run(_look(url, person, plan.rounds + 2))
    report.tables.append(
        Rows(
            f"A town of {chats:,} chats with {messages:,} messages, and one chat with {LONG_CHAT:,} kept",
            ["what is asked for", "median ms", "range ms"],
            [[what, median(found), spread(found)] for what, found in times.items()],
        )
    )
    slowest = max(median(times[LIST]), median(times[PAGE]))
    report.verdicts.append(
        Verdict(
            f"{LIST}, and {PAGE}",
            f"≤ {RESPONSIVE_S * 1000:.0f} ms",
            f"{slowest:.0f} ms",
            slowest <= RESPONSIVE_S * 1000,
        )
    )
    report.data["town"] = times


class _Simulator:
    def __init__(self, limits: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "posthouse.simulator", "--port", str(self.port), "--limits", limits]
        self._running = running(command, f"http://127.0.0.1:{self.port}")

    def __enter__(self) -> tuple[Server, str]:
        server = self._running.__enter__()
        server.wait_line("Bot API on")
        return server, server.url

    def __exit__(self, *error: object) -> None:
        self._running.__exit__(None, None, None)


_simulator = _Simulator


async def _settle(url: str, count: int) -> list[int]:
    """People who have started the bot."""
    async with aiohttp.ClientSession() as session:
        await _post(session, f"{url}/sim/v1/bots", {"token": TOKEN})
        people = []
        for number in range(count):
            person = await _post(session, f"{url}/sim/v1/people", {"first_name": f"Person {number}"})
            people.append(int(person["id"]))
            said = {"person": person["id"], "text": "/start"}
            await _post(session, f"{url}/sim/v1/chats/4242:{person['id']}/messages", said)
        await _post(session, f"{url}/bot{TOKEN}/deleteWebhook", {"drop_pending_updates": True})
        return people


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, object]) -> dict[str, object]:
    async with session.post(url, json=body) as response:
        answer: dict[str, object] = await response.json()
        return answer


async def _load(url: str, people: list[int], seconds: float) -> int:
    """How many calls were answered in that time."""
    host, _, port = url.removeprefix("http://").partition(":")
    requests = [_request(person) for person in people]
    end = time.monotonic() + seconds
    counts = await asyncio.gather(
        *(_connection(host, int(port), requests[number:] + requests[:number], end) for number in range(CONNECTIONS))
    )
    return sum(counts)


def _request(person: int) -> bytes:
    body = json.dumps({"chat_id": person, "text": "The quick brown fox jumps over the lazy dog"}).encode()
    head = f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _connection(host: str, port: int, requests: list[bytes], end: float) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    calls = 0
    while time.monotonic() < end:
        writer.write(requests[calls % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        calls += 1
    writer.close()
    return calls


async def _fill(url: str, chats: int, messages: int) -> int:
    """Somebody who is in so many groups with the bot; the messages are spread, and one chat is long."""
    (person,) = await _settle(url, 1)
    async with aiohttp.ClientSession() as session:
        groups = []
        for number in range(chats):
            group: dict[str, object] = {"title": f"Group {number}", "people": [person], "bots": [4242]}
            made = await _post(session, f"{url}/sim/v1/groups", group)
            groups.append(made["id"])
        for number in range(messages):
            text = {"chat_id": groups[number % chats], "text": f"message {number}"}
            await _post(session, f"{url}/bot{TOKEN}/sendMessage", text)
        for number in range(LONG_CHAT):
            await _post(session, f"{url}/bot{TOKEN}/sendMessage", {"chat_id": person, "text": f"message {number}"})
    return person


async def _look(url: str, person: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of what the chat page and the inspector ask for, by what it is."""
    api = f"{url}/sim/v1"
    page = f"/page/people/{person}"
    async with aiohttp.ClientSession() as session:

        async def get(path: str) -> object:
            async with session.get(f"{api}{path}") as response:
                assert response.status == 200, path
                return await response.json()

        asked: dict[str, Callable[[], Awaitable[object]]] = {
            LIST: lambda: get(f"{page}/dialogs"),
            PAGE: lambda: get(f"{page}/messages?chat=4242:{person}&before=2000&limit=50"),
            "a search through all": lambda: get(f"{page}/search?text=message+77"),
            f"a whole chat of {LONG_CHAT:,} messages": lambda: get(f"/chats/4242:{person}"),
            "1,000 events": lambda: get("/events?limit=1000"),
            "a snapshot of the whole town": lambda: _post(session, f"{api}/snapshot", {}),
        }
        return {what: [await _timed_ms(ask) for _ in range(rounds)] for what, ask in asked.items()}


async def _timed_ms(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.monotonic()
    await ask()
    return (time.monotonic() - began) * 1000
