"""The docs tests themselves can fail: a page that says something untrue is found."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from docs_pages import Block
from docs_story import Story, check_command, commands
from structlog.testing import capture_logs

from posthouse.testing.town import NotSeen, TownError

BOT = """
from posthouse import App, Turn

app = App("echo")


@app.text()
async def echo(turn: Turn) -> None:
    turn.say(turn.text.upper(), reply_markup={"inline_keyboard": [[{"text": "More", "callback_data": "more"}]]})
"""
CONFIG = """
[bots.echo]
program = "bot:app"
token = "${ECHO_TOKEN}"
mode = "polling"
"""


def block(language: str, text: str, **options: str) -> Block:
    return Block("a page", 1, language, options, text)


@pytest.mark.parametrize(
    "line",
    [
        "posthouse up --role ingress,executor --port 8080",
        "posthouse dead --kind entry",
        "posthouse dead replay 1 2",
        "posthouse lanes release --bot shop --chat 7 --skip-head",
        "posthouse dead --help",
        "posthouse --help",
        "posthouse sim --port 0",
        "make demo",
        "git status",
    ],
)
def test_a_command_that_exists_is_accepted(line: str) -> None:
    """With and without options, of groups and of their commands."""
    check_command(shlex.split(line))


@pytest.mark.parametrize(
    "line",
    [
        "posthouse upp",
        "posthouse up --roles ingress",
        "posthouse dead --nonsense x",
        "posthouse dead replya 1",
        "posthouse inbox show first",
        "posthouse lanes release --chat 7",
        "posthouse sim --frob",
        "make nonsense",
        "posthuose up",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    """A wrong name, option, argument or a missing one."""
    with pytest.raises((Exception, SystemExit)):
        check_command(shlex.split(line))


def test_commands_are_read_as_a_shell_reads_them() -> None:
    """Comments, variables for one command, and several commands on a line."""
    text = "A=1 posthouse up   # serve\ncd shop && posthouse check; make test\n"
    assert commands(block("sh", text)) == [
        ["posthouse", "up"],
        ["cd", "shop"],
        ["posthouse", "check"],
        ["make", "test"],
    ]


@pytest.fixture
async def story(tmp_path: Path) -> Any:
    """A page with a bot that shouts."""
    with capture_logs():
        async with Story(tmp_path, {}) as story:
            await story.tell(block("python", BOT, file="bot.py"))
            await story.tell(block("toml", CONFIG, file="posthouse.toml"))
            yield story


async def test_a_conversation_that_happened_passes(story: Story) -> None:
    """Also with the buttons under the message."""
    await story.tell(block("chat", "Ann: tea\nbot: TEA [More]\n(restart)\nAnn: [More]\nAnn: cake\nbot: CA…\n"))


@pytest.mark.parametrize(
    "line",
    [
        "bot: TEA and cake",
        "bot: TE",
        "bot edits: TEA",
        "bot: TEA [Less]",
        "bot: (photo) TEA",
        "note: TEA",
        "(its buttons are gone)",
        "Ann: [Less]",
        "Ann: [More] (outdated)",
        "Ann tea",
    ],
)
async def test_a_conversation_that_did_not_happen_is_found(story: Story, line: str) -> None:
    """Another text, a part of it, an edit that was none; a button or photo that is not there, or still is."""
    await story.tell(block("chat", "Ann: cake\nbot: CAKE\n"))  # the platform is up and quick from here
    story.within_s = 0.5
    with pytest.raises((NotSeen, TownError, AssertionError, ValueError)):
        await story.tell(block("chat", f"Ann: tea\n{line}\n"))


async def test_a_window_is_not_a_passing_note(story: Story) -> None:
    """A page says which of the two an answer is."""
    answered = BOT + '\n\n@app.callback("more")\nasync def more(turn: Turn) -> None:\n    turn.answer("Sold out")\n'
    await story.tell(block("python", answered, file="bot.py"))
    await story.tell(block("chat", "Ann: tea\nbot: TEA [More]\nAnn: [More]\nnote: Sold out\n"))
    with pytest.raises(AssertionError, match="it is a note"):
        await story.tell(block("chat", "Ann: [More]\nalert: Sold out\n"))


async def test_a_button_is_pressed_as_it_was_seen(story: Story) -> None:
    """Also when the bot has taken it away: then a person's Telegram is behind."""
    fading = BOT + (
        '\n\n@app.callback("more")\nasync def more(turn: Turn) -> None:\n    turn.answer("Again")\n'
        '    turn.edit_markup(turn.raw_message["message_id"])\n'
    )
    await story.tell(block("python", fading, file="bot.py"))
    chat = """
Ann: tea
bot: TEA [More]
Ann: [More] (twice)
note: Again
(its buttons are gone)
Ann: [More] (outdated)
note: Again
(its buttons are gone)
"""
    await story.tell(block("chat", chat))


async def test_a_command_that_fails_is_found(story: Story) -> None:
    """With what it printed."""
    with pytest.raises(AssertionError, match="dead show 99"):
        await story.tell(block("sh", "posthouse migrate\nposthouse dead show 99\n"))
