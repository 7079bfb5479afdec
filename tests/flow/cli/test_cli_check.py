"""`posthouse check`: each thing that can be wrong is found, with its mend."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from cli_stage import SECRET, TOKEN, Project

from posthouse.cli.check import Finding, Verdict, clock_finding, disk_finding
from posthouse.simulator import Simulator
from posthouse.testing.town import Town


async def findings(project: Project, *, code: int) -> dict[str, dict[str, Any]]:
    ended = await project.command("check", "--json")
    assert ended.code == code, ended.out + ended.err
    assert ended.json["right"] is (code == 0)
    return {finding["what"]: finding for finding in ended.json["findings"]}


async def test_a_running_bot_is_right(tmp_path: Path) -> None:
    """Beside `up`, with the webhook it has set, everything is right and nothing is disturbed."""
    async with Simulator() as simulator:
        project = Project(tmp_path, api_url=simulator.url, register=True)
        before = await findings(project, code=1)
        assert before["webhook"]["mend"].startswith("`posthouse up` sets http://127.0.0.1:8080/webhook/echo")
        assert "is created by `posthouse up`" in before["schema"]["detail"]
        async with project.up() as serving:
            found = await findings(project, code=0)
            assert found["token"]["detail"].startswith("@")
            assert found["webhook"]["detail"] == "http://127.0.0.1:8080/webhook/echo"
            assert found["schema"]["detail"] == "0002, as this program wants"
            assert await serving.post(1, "still there") == 200


async def test_a_token_that_telegram_does_not_know(tmp_path: Path) -> None:
    """401 is explained; neither the token nor the secret is printed."""
    async with Simulator(strict_bots=True) as simulator:
        project = Project(tmp_path, api_url=simulator.url)
        ended = await project.command("check")
    assert ended.code == 1
    assert "WRONG token echo" in ended.out
    assert "BotFather" in ended.out
    assert TOKEN not in ended.out + ended.err
    assert SECRET not in ended.out + ended.err


async def test_a_delivery_that_failed_is_told(tmp_path: Path) -> None:
    """Telegram's last complaint and what waits there are findings."""
    async with Simulator() as simulator, Town(simulator.url) as town:
        project = Project(tmp_path, api_url=simulator.url, register=True, port=9)
        async with project.up():
            ann = await town.person("Ann")
            await ann.says("is anybody there?", to=TOKEN)
            await town.event("update.failed")
            found = await findings(project, code=1)
    assert found["webhook"]["verdict"] == "right"
    assert found["deliveries"]["verdict"] in ("right", "wrong")
    assert "wait" in found["deliveries"]["detail"] or "connect" in found["deliveries"]["detail"]


async def test_no_telegram_at_all(project: Project) -> None:
    """Without an answer the token is wrong for now, and the clock is unknown."""
    found = await findings(project, code=1)
    assert "check the network" in found["token"]["mend"]
    assert found["clock"]["verdict"] == "unknown"


async def test_a_program_that_cannot_be_imported(project: Project) -> None:
    """What is wrong with the author's module is a finding, not a crash."""
    (project.folder / "bot.py").write_text("import nowhere_to_be_found\n")
    found = await findings(project, code=1)
    assert "nowhere_to_be_found" in found["programs"]["detail"]
    (project.folder / "bot.py").write_text("application = None\n")
    found = await findings(project, code=1)
    assert "'app'" in found["programs"]["detail"]


async def test_a_wrong_configuration_is_a_finding(project: Project) -> None:
    """The configuration comes first; without it nothing else can be looked at."""
    (project.folder / "posthouse.toml").write_text("[store]\nurll = 'x'\n")
    found = await findings(project, code=1)
    assert [*found] == ["configuration"]
    assert "store.urll" in found["configuration"]["detail"]


async def test_a_file_that_is_no_database(project: Project) -> None:
    """A schema that cannot be read, or that is not there yet, is a finding."""
    project.database.parent.mkdir()
    project.database.write_text("this is not a database, whatever its name says" * 20)
    assert (await findings(project, code=1))["schema"]["verdict"] == "wrong"
    project.database.write_text("")
    assert (await findings(project, code=1))["schema"]["mend"] == "run `posthouse migrate`"


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("told", "verdict", "detail"),
    [
        (formatdate(NOW, usegmt=True), Verdict.RIGHT, "within 5 s"),
        (formatdate(NOW - 60, usegmt=True), Verdict.WRONG, "ahead of"),
        (formatdate(NOW + 60, usegmt=True), Verdict.WRONG, "behind"),
        ("sometime", Verdict.UNKNOWN, "no time"),
        (None, Verdict.UNKNOWN, "no time"),
    ],
)
def test_the_clock_is_compared(told: str | None, verdict: Verdict, detail: str) -> None:
    """More than 5 s away from the Bot API server's clock is wrong."""
    finding: Finding = clock_finding(told, now=NOW)
    assert finding.verdict is verdict
    assert detail in finding.detail


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    """Room is looked for where the database will be, even before its folder exists."""
    assert disk_finding(tmp_path / "not" / "yet" / "p.db").verdict is Verdict.RIGHT
    assert disk_finding(tmp_path / "p.db", free_min_bytes=10**18).verdict is Verdict.WRONG
