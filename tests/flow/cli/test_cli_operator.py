"""The operator's commands: the same answers while `up` runs and after it has stopped, with or without the tokens."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from cli_stage import Project, Serving

BOT = 1001


async def broken(project: Project, stack: AsyncExitStack, *texts: str) -> Serving:
    """A running bot that got these messages and gave up those that say boom."""
    serving = await stack.enter_async_context(project.up())
    for number, text in enumerate(texts, start=1):
        assert await serving.post(number, text) == 200
        if text == "boom":
            await serving.wait_log("turn.died")
    return serving


async def rows(project: Project, *arguments: str) -> list[dict[str, Any]]:
    ended = await project.command(*arguments, "--json", secrets=False)
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = ended.json
    return found


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
async def test_a_dead_letter_is_seen_and_replayed(project: Project, running: bool) -> None:
    """List, narrow, show with payload, replay, discard: each prints one JSON document."""
    async with AsyncExitStack() as stack:
        serving = await broken(project, stack, "boom")
        if not running:
            assert await serving.stop() == 0
        [row] = await rows(project, "dead")
        assert (row["kind"], row["reason"], row["bot_id"], row["lane"]) == ("entry", "boom", BOT, 7)
        assert "payload" not in row
        assert "this one never works" in row["error"]
        assert await rows(project, "dead", "list", "--reason", "exhausted") == []
        assert await rows(project, "dead", "--reason", "boom", "--kind", "entry", "--bot", str(BOT), "--chat", "7")
        shown = (await project.command("dead", "show", str(row["id"]), "--json")).json
        assert shown["payload"]["message"]["text"] == "boom"
        assert (await project.command("dead", "replay", str(row["id"]), "--json")).json == {
            "moved": [row["id"]],
            "not_open": [],
        }
        again = (await project.command("dead", "replay", str(row["id"]), "--json")).json
        assert again == {"moved": [], "not_open": [row["id"]]}
        assert [row["state"] for row in await rows(project, "dead", "--state", "replayed")] == ["replayed"]


async def test_all_that_fit_are_discarded(project: Project) -> None:
    """--all takes the filters of the list, and what does not fit stays."""
    async with AsyncExitStack() as stack:
        serving = await broken(project, stack, "boom")
        await serving.post(2, "boom", chat=8)
        await serving.post(3, "boom", chat=9)
        await serving.stop()
    assert (await project.command("dead", "discard", "--all", "--chat", "8")).out == "1 discarded.\n"
    assert sorted(row["lane"] for row in await rows(project, "dead")) == [7, 9]
    assert len((await project.command("dead", "discard", "--all", "--reason", "boom", "--json")).json["moved"]) == 2


async def test_replay_wants_ids_or_all(project: Project) -> None:
    """Neither is a mistake, and so are both."""
    assert (await project.command("migrate")).code == 0
    for arguments in (("replay",), ("discard", "1", "--all")):
        ended = await project.command("dead", *arguments)
        assert ended.code == 2
        assert "--all" in ended.err


async def test_a_bot_is_named_without_its_token(project: Project) -> None:
    """A running process knows its bots by name; stopped, the id or the token is needed, and the message says so."""
    async with project.up() as serving:
        await serving.post(1, "hello")
        assert len(await rows(project, "outbox", "--bot", "echo")) == 1
        assert await rows(project, "outbox", "--bot", "1002") == []
        await serving.stop()
    ended = await project.command("outbox", "--bot", "echo", secrets=False)
    assert ended.code == 2
    assert "pass the bot's id" in ended.err
    assert len((await project.command("outbox", "--bot", "echo", "--json")).json) == 1
    unknown = await project.command("outbox", "--bot", "nobody")
    assert unknown.code == 2
    assert "it has: echo" in unknown.err


async def test_deliveries_are_listed_and_shown(project: Project) -> None:
    """What cannot be sent waits in the outbox; the list hides what was written, `show` has it."""
    async with project.up() as serving:
        await serving.post(1, "a private word")
        await serving.wait_log("delivery.unreached")
        [row] = await rows(project, "outbox")
        table = await project.command("outbox")
        assert table.out.splitlines()[0].split()[:4] == ["ID", "STATE", "BOT", "CHAT"]
        assert "private" not in table.out
        assert "private word" in (await project.command("outbox", "show", str(row["id"]))).out


async def test_a_paused_queue_keeps_its_jobs(project: Project) -> None:
    """Pause, see the job wait, cancel it, resume."""
    async with project.up() as serving:
        assert (await project.command("jobs", "pause", "mill")).code == 0
        await serving.post(1, "work")
        await serving.post(2, "after it")  # the same chat: when this is on its way, the job is queued
        await serving.wait_log("delivery.unreached")
        [row] = await rows(project, "jobs", "--queue", "mill")
        assert (row["what"], row["state"]) == ("crunch", "waiting")
        assert (await project.command("jobs", "cancel", str(row["id"]), "--json")).json["cancelled"] == [row["id"]]
        assert await rows(project, "jobs") == []
        assert (await project.command("jobs", "resume", "mill", "--json")).json == {"queue": "mill", "paused": False}


async def test_a_held_chat_is_released(tmp_path: Path) -> None:
    """on_dead = hold: the chat waits for an operator, who skips the entry that held it."""
    project = Project(tmp_path, on_dead="hold")
    async with AsyncExitStack() as stack:
        serving = await broken(project, stack, "boom", "and then")
        [row] = await rows(project, "lanes")
        assert (row["state"], row["bot_id"], row["lane"]) == ("held", BOT, 7)
        assert [row["state"] for row in await rows(project, "inbox", "--chat", "7")] == ["held", "held"]
        release = ("lanes", "release", "--bot", "echo", "--chat", "7", "--skip-head", "--json")
        assert (await project.command(*release)).json == {"bot_id": BOT, "chat": 7, "released": True}
        await serving.wait_log("delivery.unreached")  # the answer to the one behind it
        assert await rows(project, "lanes") == []
        assert (await project.command(*release)).json["released"] is False


async def test_what_is_not_there_is_named(project: Project) -> None:
    """An unknown id is exit code 1 with one line, an unknown state 2 with the states that exist."""
    assert (await project.command("migrate")).code == 0
    for list_name in ("inbox", "outbox", "jobs", "dead"):
        ended = await project.command(list_name, "show", "999")
        assert ended.code == 1
        assert "999" in ended.err
        assert ended.err.count("\n") == 1
    ended = await project.command("jobs", "--state", "lost")
    assert ended.code == 2
    assert "waiting, running" in ended.err


async def test_before_the_first_start_the_mend_is_named(project: Project) -> None:
    """Without a database every list says how to make one, and migrate makes it."""
    ended = await project.command("inbox")
    assert ended.code == 1
    assert "posthouse migrate" in ended.err
    assert (await project.command("migrate", "--json", secrets=False)).json == {"before": None, "after": "0002"}
    assert (await project.command("migrate")).out == "The schema is 0002.\n"
    assert await rows(project, "inbox") == []
