"""Runs one peer under load: a text echo that counts messages per chat in its session, and answers.

The work is the same for all: 1,000 chats, one message each in turn, `"{count}: {text}"` as the answer,
outgoing calls stubbed in the peer's process. Each peer is one server process in the way a careful user would
run it; its program in the directory `bench/peers/` says how, and `PEERS` under which conditions.

    name                    200 is sent   session                    a crash loses
    grammy-memory           after work    memory                     all sessions
    grammy-redis            after work    Redis, nothing on disk     all sessions, if Redis crashes too
    grammy-redis-pipelined  after work    Redis, nothing on disk     all sessions, if Redis crashes too
    grammy-redis-fsync      after work    Redis, synced per write    nothing of the session
    aiogram-redis           after work    Redis, nothing on disk     all sessions, if Redis crashes too
    aiogram-redis-frozen    after work    Redis, nothing on disk     all sessions, if Redis crashes too
    aiogram-redis-fsync     after work    Redis, synced per write    nothing of the session
    aiogram-redis-default   before work   Redis, nothing on disk     updates in hand as well
    ptb-memory              before work   memory                     updates in the queue as well

None of them drops an update it has seen, keeps the outgoing message, or ties it to the session: also the
synced ones may answer twice, or save and never answer.

Where the 200 comes before the work, answers are no measure. There `updates_per_s` is the number of updates
handled over the time from the first send until the last was handled, and the latencies are those of the 200.

    python -m bench.peers [--seconds 5] [--repeat 2] [name ...]
"""

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.environments import (
    PROGRAMS,
    ROOT,
    Fsync,
    Redis,
    grammy_program,
    node,
    node_version,
    python_environment,
    running_redis,
)
from bench.load import CONNECTIONS_DEFAULT, Load, LoadResult, measure_load
from bench.measure import cpu_s, machine_conditions, print_table
from bench.process import RunResult, Server, ServerFailed, free_port, running

SECRET = "bench-secret"
WARM_UP_S = 1.0


@dataclass(frozen=True)
class Peer:
    """How a peer is run, and when its 200 comes."""

    program: str
    mode: str
    redis_fsync: Fsync | None
    answers_after_work: bool
    description: str


PEERS = {
    "grammy-memory": Peer("grammy", "memory", None, True, "grammY 1.46.0, sessions in memory"),
    "grammy-redis": Peer("grammy", "redis", "no", True, "grammY 1.46.0, storage-redis 2.6.0, ioredis 6.0.0"),
    "grammy-redis-pipelined": Peer(
        "grammy",
        "redis-pipelined",
        "no",
        True,
        "grammY 1.46.0, storage-redis 2.6.0, ioredis 6.0.0 with enableAutoPipelining",
    ),
    "grammy-redis-fsync": Peer("grammy", "redis", "always", True, "grammY 1.46.0, storage-redis 2.6.0, ioredis 6.0.0"),
    "aiogram-redis": Peer("aiogram", "foreground", "no", True, "aiogram 3.31.0, handle_in_background=False"),
    "aiogram-redis-frozen": Peer(
        "aiogram", "frozen", "no", True, "aiogram 3.31.0, handle_in_background=False, gc.freeze() after start"
    ),
    "aiogram-redis-fsync": Peer("aiogram", "foreground", "always", True, "aiogram 3.31.0, handle_in_background=False"),
    "aiogram-redis-default": Peer(
        "aiogram", "background", "no", False, "aiogram 3.31.0, handle_in_background=True (default)"
    ),
    "ptb-memory": Peer("ptb", "", None, False, "python-telegram-bot 22.8, chat data in memory"),
}


def run_peer(
    name: str, seconds: float = 5.0, connections: int = CONNECTIONS_DEFAULT, rate: float | None = None
) -> RunResult:
    """Start a peer, warm it up for a second, load it (fully, or at `rate` updates per second), stop it."""
    peer = PEERS[name]
    with _redis(peer) as redis, _serving(peer, redis) as server:
        warm = measure_load(Load(server.url, SECRET, seconds=WARM_UP_S, connections=connections))
        handled_before, _ = server.wait_handled(warm.updates)
        cpu_before_s, redis_before_s = server.cpu_s(), _redis_cpu_s(redis)
        load = Load(
            server.url,
            SECRET,
            seconds=seconds,
            connections=connections,
            rate=rate,
            update_id_first=warm.update_id_next,
        )
        result = measure_load(load)
        handled, drained_s = server.wait_handled(handled_before + result.updates)
        if result.failures:
            raise ServerFailed(f"{name} answered with {result.failures} besides 2xx")
        cpu_us = (server.cpu_s() - cpu_before_s) * 1e6 / result.updates
        redis_us = (_redis_cpu_s(redis) - redis_before_s) * 1e6 / result.updates
        span_s = result.seconds if peer.answers_after_work else result.seconds + drained_s
        return RunResult(
            name=name,
            updates_per_s=(handled - handled_before) / span_s,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            max_ms=result.max_ms,
            updates=handled - handled_before,
            cpu_us=cpu_us,
            database_cpu_us=redis_us,
            rss_mib=server.rss_mib(),
            conditions=_conditions(peer, redis, result, drained_s),
        )


def _conditions(peer: Peer, redis: Redis | None, result: LoadResult, drained_s: float) -> tuple[str, ...]:
    runtime = f"Node {node_version().lstrip('v')}" if peer.program == "grammy" else "CPython with uvloop"
    lines = [f"{peer.description}, {runtime}, one process", f"{result.connections} connections, 1,000 chats"]
    if result.rate is not None:
        lines.append(f"fixed rate of {result.rate:.0f} updates/s, latency from the moment due")
    if redis is not None:
        lines.append(redis.conditions)
    if peer.answers_after_work:
        lines.append("200 after the work")
    else:
        lines.append(f"200 before the work; updates/s of work done, {drained_s:.1f} s of it after the last 200")
    return tuple(lines)


@contextmanager
def _serving(peer: Peer, redis: Redis | None) -> Iterator[Server]:
    port = free_port()
    environment = {
        "PORT": str(port),
        "SECRET": SECRET,
        "MODE": peer.mode,
        "REDIS": str(redis.socket) if redis else "",
        "NODE_ENV": "production",
    }
    with running(_command(peer), f"http://127.0.0.1:{port}/webhook", environment=environment) as server:
        server.wait_line("READY")
        yield server


def _command(peer: Peer) -> list[str | Path]:
    if peer.program == "grammy":
        return [node(), grammy_program()]
    return [python_environment(peer.program), PROGRAMS / f"{peer.program}_echo.py"]


def _redis(peer: Peer) -> AbstractContextManager[Redis | None]:
    return nullcontext() if peer.redis_fsync is None else running_redis(peer.redis_fsync)


def _redis_cpu_s(redis: Redis | None) -> float:
    return cpu_s(redis.pid) if redis else 0.0


def main() -> None:
    """Run the named peers, or all, each `--repeat` times so that noise can be seen, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *PEERS], default=[], metavar="name")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS_DEFAULT)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--repeat", type=int, default=2)
    arguments = parser.parse_args()
    ROOT.mkdir(exist_ok=True)
    machine = machine_conditions(ROOT)
    names = arguments.names or list(PEERS)
    # In rounds, so that a noisy minute does not fall on one peer alone.
    rounds = [
        [run_peer(name, arguments.seconds, arguments.connections, arguments.rate) for name in names]
        for _ in range(arguments.repeat)
    ]
    results = [result for of_one_peer in zip(*rounds, strict=True) for result in of_one_peer]
    print_table(
        "Peers: a text echo counting in its session",
        ["peer", "updates/s", "p50 ms", "p99 ms", "max ms", "CPU µs", "Redis CPU µs", "RSS MiB"],
        [
            [r.name, r.updates_per_s, r.p50_ms, r.p99_ms, r.max_ms, r.cpu_us, r.database_cpu_us, r.rss_mib]
            for r in results
        ],
        caption="\n".join(machine.lines()),
    )
    for name, conditions in {r.name: r.conditions for r in results}.items():
        print(f"{name}: {'; '.join(conditions)}")


if __name__ == "__main__":
    main()
