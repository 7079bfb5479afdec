"""How soon it is there, and how much memory it takes: `posthouse --help`, `posthouse up`, one native bot.

The commands are the installed ones, run from a folder with the files that a user would have. Ready is when `up` has
printed that it is, after which it takes updates. Memory is resident memory of the whole process: when it is ready,
after 50,000 updates whose answers were sent (to a stub server), and after as many while Telegram was away, so that
every answer still waits in the outbox.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Load, measure_load
from bench.measure import rss_mib
from bench.ours import SECRET, TOKEN, scratch_directory
from bench.process import START_TIMEOUT_S, ServerFailed, free_port, running
from bench.report import Plan, Report, Rows, Verdict, median, spread

HELP_S = 0.4
READY_S = 2.0
RSS_MIB = 120.0
UPDATES = 50_000
NOBODY = "http://127.0.0.1:9"  # the discard port: nobody listens
POSTHOUSE = Path(sys.executable).parent / "posthouse"

BOT = """\
from posthouse import App, Turn

app = App("echo")


@app.text()
async def echo(turn: Turn) -> None:
    count = turn.session["count"] = turn.session.get("count", 0) + 1
    turn.say(f"{count}: {turn.text}")
"""
CONFIGURATION = """\
[http]
port = {port}
register_webhooks = false

[telegram]
api_url = "{api_url}"

[bots.echo]
program = "bot:app"
token = "${{BENCH_TOKEN}}"
secret = "${{BENCH_SECRET}}"
limits = "none"
"""


def measure(plan: Plan) -> Report:
    trials = plan.scaled(9, 3)
    updates = plan.scaled(UPDATES, 5_000)
    help_s = [_help_s() for _ in range(trials + 1)][1:]  # the first reads the files from the disk
    ready_s, fresh_mib = [], []
    for _ in range(trials):
        with scratch_directory() as directory, _up(directory, NOBODY) as (process, seconds, _):
            ready_s.append(seconds)
            fresh_mib.append(rss_mib(process.pid))
    used_mib = _used_mib(updates, away=False)
    away_mib = _used_mib(updates, away=True)
    report = Report("start")
    report.tables = [
        Rows(
            "Start and memory",
            ["", "median", "range", "trials"],
            [
                ["posthouse --help, s", median(help_s), spread(help_s), trials],
                ["posthouse up, new database, s until ready", median(ready_s), spread(ready_s), trials],
                ["resident memory when ready, MiB", median(fresh_mib), spread(fresh_mib), trials],
                [f"the same after {updates:,} updates, answers sent, MiB", used_mib, "", 1],
                [f"the same after {updates:,} updates, Telegram away, MiB", away_mib, "", 1],
            ],
        )
    ]
    report.verdicts = [
        Verdict("posthouse --help", f"≤ {HELP_S} s", f"{median(help_s):.2f} s", median(help_s) <= HELP_S),
        Verdict("posthouse up, ready", f"≤ {READY_S:.0f} s", f"{median(ready_s):.2f} s", median(ready_s) <= READY_S),
        Verdict(
            "resident memory of up with one native bot",
            f"≤ {RSS_MIB:.0f} MB",
            f"{median(fresh_mib) * 1.048576:.0f} MB, {used_mib * 1.048576:.0f} after {updates:,} updates",
            used_mib * 1.048576 <= RSS_MIB,
        ),
    ]
    report.conditions = ["the installed commands, warm file cache; one native bot, webhook, SQLite, all roles"]
    report.data = {
        "help_s": help_s,
        "ready_s": ready_s,
        "fresh_mib": fresh_mib,
        "used_mib": used_mib,
        "away_mib": away_mib,
    }
    return report


def _help_s() -> float:
    started = time.perf_counter()
    subprocess.run([POSTHOUSE, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _used_mib(updates: int, *, away: bool) -> float:
    """Resident memory after that many updates, with their answers sent or still waiting."""
    with scratch_directory() as directory:
        port = free_port()
        command = [sys.executable, "-m", "bench.telegram_stub"]
        environment = {"PORT": str(port), "ARRIVALS": str(directory / "arrivals")}
        api_url = f"http://127.0.0.1:{port}"
        with running(command, api_url, environment=environment) as stub:
            stub.wait_line("READY")
            with _up(directory, NOBODY if away else api_url) as (process, _, url):
                measure_load(Load(url, SECRET, count=updates))
                if not away:
                    stub.wait_handled(updates)
                time.sleep(1.0)
                return rss_mib(process.pid)


@contextmanager
def _up(directory: Path, api_url: str) -> Iterator[tuple[subprocess.Popen[str], float, str]]:
    """A running `posthouse up`, the seconds until it said that it is ready, and its webhook's URL."""
    port = free_port()
    (directory / "bot.py").write_text(BOT)
    (directory / "posthouse.toml").write_text(CONFIGURATION.format(port=port, api_url=api_url))
    started = time.perf_counter()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [POSTHOUSE, "up"],
            cwd=directory,
            env=os.environ | {"BENCH_TOKEN": TOKEN, "BENCH_SECRET": SECRET},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            while not re.match(r"ready\b", line := process.stdout.readline()):
                if not line or time.perf_counter() - started > START_TIMEOUT_S:
                    words = (directory / "log").read_text()[-2000:]
                    raise ServerFailed(f"posthouse up did not become ready, exit code {process.poll()}\n{words}")
            yield process, time.perf_counter() - started, f"http://127.0.0.1:{port}/webhook/echo"
        finally:
            process.kill()
            process.wait()
