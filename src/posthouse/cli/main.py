"""The command line: `posthouse COMMAND`. What a command needs is imported when it runs, so that help is instant.

    up                              serve
    check, migrate                  before serving
    inbox, outbox, jobs, dead,      look and mend, while `up` runs or not
    lanes, sessions
    flows                           the flows that the bots have, and their pictures
    new, sim, demo                  begin, try, see it work

Exit codes: 0 it worked; 1 it did not, and one line on stderr says why; 2 the options or the configuration are wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from posthouse.core.errors import PosthouseError


def _plain(**options: Any) -> typer.Typer:
    """A group with plain help: loading rich takes as long as everything else together."""
    return typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **options,
    )


class _ListFirst(TyperGroup):
    """A group whose `list` may be left unsaid: `posthouse dead --reason blocked`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = _plain(name="posthouse", help="Runs Telegram bots so that no update is lost and no effect happens twice.")
inbox = _plain(cls=_ListFirst, help="Entries that wait: updates, finished jobs, due timers.")
outbox = _plain(cls=_ListFirst, help="Deliveries on their way to Telegram.")
jobs = _plain(cls=_ListFirst, help="Jobs that wait or run.")
dead = _plain(cls=_ListFirst, help="Dead letters: what was given up, until somebody decides.")
lanes = _plain(cls=_ListFirst, help="Chats that are held or wait for another try.")
sessions = _plain(cls=_ListFirst, help="Sessions of flows and conversations: where people are, and how they got there.")
flows = _plain(cls=_ListFirst, help="The flows of the configured bots, and their pictures.")

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Bot = Annotated[str | None, typer.Option(help="Only of this bot: its name or its id.")]
Chat = Annotated[int | None, typer.Option(help="Only of this chat.")]
State = Annotated[str | None, typer.Option(help="Only in this state.")]
Kind = Annotated[str | None, typer.Option(help="Only of this kind: entry, delivery, job.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason.")]
Queue = Annotated[str | None, typer.Option(help="Only of this queue.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")]
After = Annotated[int | None, typer.Option(help="Only after this id: the next page.")]
RowId = Annotated[int, typer.Argument(metavar="ID", help="As the list shows it.")]
RowIds = Annotated[list[int], typer.Argument(metavar="ID", help="As the list shows them.")]
SomeIds = Annotated[list[int] | None, typer.Argument(metavar="ID", help="As the list shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that are open and fit the filters.")]
SessionId = Annotated[str, typer.Argument(metavar="ID", help="As the list shows it.")]
CONFIG = Path("posthouse.toml")


# -- serving --------------------------------------------------------------------------------------------------------


@app.command()
def up(
    config: Config = CONFIG,
    role: Annotated[
        str, typer.Option(help="What this process does, separated by commas (to split, use PostgreSQL).")
    ] = "ingress,executor,sender,worker",
    host: Annotated[str | None, typer.Option(help="Instead of [http] host.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of [http] port.")] = None,
) -> None:
    """Serve the bots of the configuration until Ctrl-C."""
    from posthouse.cli.up import up as serve

    serve(config, roles=[name.strip() for name in role.split(",") if name.strip()], host=host, port=port)


@app.command()
def check(config: Config = CONFIG, json: Json = False) -> None:
    """Is everything right? Configuration, programs, tokens, webhooks, schema, clock, disk."""
    from posthouse.cli.check import check as look

    raise typer.Exit(look(config, json=json))


@app.command()
def migrate(config: Config = CONFIG, json: Json = False) -> None:
    """Bring the database to this program's schema."""
    import asyncio

    from posthouse import bootstrap
    from posthouse.cli.desk import operator_settings, print_json
    from posthouse.log import configure

    settings = operator_settings(config)
    configure(level="warning", format="console")
    before, after = asyncio.run(bootstrap.migrate(settings))
    if json:
        print_json({"before": before, "after": after})
    else:
        typer.echo(f"The schema is {after}." if before == after else f"Migrated from {before or 'nothing'} to {after}.")


# -- looking and mending --------------------------------------------------------------------------------------------


@inbox.command("list")
def inbox_list(
    config: Config = CONFIG,
    bot: Bot = None,
    chat: Chat = None,
    state: State = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
) -> None:
    """List entries that wait."""
    from posthouse.cli.desk import show_list

    show_list(config, "inbox", bot=bot, chat=chat, state=state, limit=limit, after=after, json=json)


@inbox.command("show")
def inbox_show(id: RowId, config: Config = CONFIG, json: Json = False) -> None:
    """Show one entry with its payload."""
    from posthouse.cli.desk import show_one

    show_one(config, "inbox", id, json=json)


@outbox.command("list")
def outbox_list(
    config: Config = CONFIG,
    bot: Bot = None,
    chat: Chat = None,
    state: State = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
) -> None:
    """List deliveries on their way."""
    from posthouse.cli.desk import show_list

    show_list(config, "outbox", bot=bot, chat=chat, state=state, limit=limit, after=after, json=json)


@outbox.command("show")
def outbox_show(id: RowId, config: Config = CONFIG, json: Json = False) -> None:
    """Show one delivery with its payload."""
    from posthouse.cli.desk import show_one

    show_one(config, "outbox", id, json=json)


@jobs.command("list")
def jobs_list(
    config: Config = CONFIG,
    bot: Bot = None,
    chat: Chat = None,
    state: State = None,
    queue: Queue = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
) -> None:
    """List jobs that wait or run."""
    from posthouse.cli.desk import show_list

    show_list(config, "jobs", bot=bot, chat=chat, state=state, queue=queue, limit=limit, after=after, json=json)


@jobs.command("show")
def jobs_show(id: RowId, config: Config = CONFIG, json: Json = False) -> None:
    """Show one job with its arguments."""
    from posthouse.cli.desk import show_one

    show_one(config, "jobs", id, json=json)


@jobs.command("cancel")
def jobs_cancel(ids: RowIds, config: Config = CONFIG, json: Json = False) -> None:
    """Cancel jobs that wait, and tell running ones to stop."""
    from posthouse.cli.desk import cancel_jobs

    cancel_jobs(config, ids, json=json)


@jobs.command("pause")
def jobs_pause(queue: str, config: Config = CONFIG, json: Json = False) -> None:
    """Start no more jobs of a queue; survives restarts."""
    from posthouse.cli.desk import pause_queue

    pause_queue(config, queue, paused=True, json=json)


@jobs.command("resume")
def jobs_resume(queue: str, config: Config = CONFIG, json: Json = False) -> None:
    """Let a paused queue go on."""
    from posthouse.cli.desk import pause_queue

    pause_queue(config, queue, paused=False, json=json)


@dead.command("list")
def dead_list(
    config: Config = CONFIG,
    bot: Bot = None,
    chat: Chat = None,
    state: State = None,
    kind: Kind = None,
    reason: Reason = None,
    queue: Queue = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
) -> None:
    """List dead letters; those that are open, unless --state asks for replayed or discarded ones."""
    from posthouse.cli.desk import show_list

    show_list(
        config,
        "dead",
        bot=bot,
        chat=chat,
        state=state,
        kind=kind,
        reason=reason,
        queue=queue,
        limit=limit,
        after=after,
        json=json,
    )


@dead.command("show")
def dead_show(id: RowId, config: Config = CONFIG, json: Json = False) -> None:
    """Show one dead letter with its payload and error."""
    from posthouse.cli.desk import show_one

    show_one(config, "dead", id, json=json)


@dead.command("replay")
def dead_replay(
    ids: SomeIds = None,
    config: Config = CONFIG,
    all: All = False,
    bot: Bot = None,
    chat: Chat = None,
    kind: Kind = None,
    reason: Reason = None,
    queue: Queue = None,
    json: Json = False,
) -> None:
    """Put dead letters back to work."""
    _move_dead("replay", ids, config, all, bot, chat, kind, reason, queue, json)


@dead.command("discard")
def dead_discard(
    ids: SomeIds = None,
    config: Config = CONFIG,
    all: All = False,
    bot: Bot = None,
    chat: Chat = None,
    kind: Kind = None,
    reason: Reason = None,
    queue: Queue = None,
    json: Json = False,
) -> None:
    """Close dead letters without replaying them."""
    _move_dead("discard", ids, config, all, bot, chat, kind, reason, queue, json)


def _move_dead(
    move: str,
    ids: list[int] | None,
    config: Path,
    all: bool,
    bot: str | None,
    chat: int | None,
    kind: str | None,
    reason: str | None,
    queue: str | None,
    json: bool,
) -> None:
    from posthouse.cli.desk import move_dead
    from posthouse.ports.store import Filter

    filter = Filter(lane=chat, kind=kind, reason=reason, queue=queue)
    move_dead(config, move, ids or [], all=all, json=json, bot=bot, filter=filter)


@lanes.command("list")
def lanes_list(
    config: Config = CONFIG,
    bot: Bot = None,
    chat: Chat = None,
    state: State = None,
    limit: Limit = 50,
    after: After = None,
    json: Json = False,
) -> None:
    """List chats that are held or wait for another try."""
    from posthouse.cli.desk import show_list

    show_list(config, "lanes", bot=bot, chat=chat, state=state, limit=limit, after=after, json=json)


@lanes.command("release")
def lanes_release(
    bot: Annotated[str, typer.Option(help="The bot's name or id.")],
    chat: Annotated[int, typer.Option(help="The chat, as `posthouse lanes` shows it.")],
    skip_head: Annotated[
        bool, typer.Option("--skip-head", help="Bury the entry that held it, instead of trying it again.")
    ] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Let a held chat go on."""
    from posthouse.cli.desk import release_lane

    release_lane(config, bot, chat, skip_head=skip_head, json=json)


@sessions.command("list")
def sessions_list(
    config: Config = CONFIG,
    bot: Bot = None,
    env: Annotated[str | None, typer.Option(help="Only of this environment.")] = None,
    user: Annotated[int | None, typer.Option(help="Only of this person.")] = None,
    flow: Annotated[str | None, typer.Option(help="Only of this flow or conversation.")] = None,
    state: State = None,
    all: Annotated[bool, typer.Option("--all", help="Also those that have ended or expired.")] = False,
    limit: Limit = 50,
    json: Json = False,
) -> None:
    """List sessions, the one that changed last first."""
    from posthouse.cli.sessions import show_sessions

    show_sessions(config, bot=bot, env=env, user=user, flow=flow, state=state, all=all, limit=limit, json=json)


@sessions.command("show")
def sessions_show(
    id: SessionId,
    config: Config = CONFIG,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many lines of its history at most.")] = 100,
    json: Json = False,
) -> None:
    """Show one session with its data and its history."""
    from posthouse.cli.sessions import show_session

    show_session(config, id, limit=limit, json=json)


@sessions.command("legacy")
def sessions_legacy(
    config: Config = CONFIG,
    hours: Annotated[float, typer.Option(min=0.1, help="How far to look back.")] = 24.0,
    json: Json = False,
) -> None:
    """How many presses were of legacy buttons, by flow and event."""
    from posthouse.cli.sessions import show_legacy

    show_legacy(config, hours=hours, json=json)


@flows.command("list")
def flows_list(config: Config = CONFIG, json: Json = False) -> None:
    """List the flows of the configured bots."""
    from posthouse.cli.flows import show_flows

    show_flows(config, json=json)


@flows.command("diagram")
def flows_diagram(
    bot: Annotated[str, typer.Argument(help="The bot's name.")],
    flow: Annotated[str | None, typer.Argument(help="The flow's; not needed where the bot has one alone.")] = None,
    config: Config = CONFIG,
) -> None:
    """Print the state diagram of a flow, for Mermaid."""
    from posthouse.cli.flows import show_diagram

    show_diagram(config, bot, flow)


for name, group in (
    ("inbox", inbox),
    ("outbox", outbox),
    ("jobs", jobs),
    ("dead", dead),
    ("lanes", lanes),
    ("sessions", sessions),
    ("flows", flows),
):
    app.add_typer(group, name=name)


# -- beginning ------------------------------------------------------------------------------------------------------


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The folder to create; its last part names the bot.")],
    aiogram: Annotated[bool, typer.Option("--aiogram", help="An aiogram Dispatcher instead of a native App.")] = False,
) -> None:
    """Create a project that runs."""
    from posthouse.cli.new import create

    for line in create(Path(name), program="aiogram" if aiogram else "native"):
        typer.echo(line)


sim = typer.Typer(
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run the simulator: a Bot API server and a town of people, for bots in any language.",
)
app.add_typer(sim, name="sim")


@sim.callback()
def sim_serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 8081,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    limits: Annotated[
        str, typer.Option(help="Telegram's send limits: on, strict (tighter than they are), or off.")
    ] = "on",
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Only tokens given with --bot, and webhooks that the public server takes."),
    ] = False,
    state: Annotated[Path | None, typer.Option(help="A file that keeps the town across restarts.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeatable update numbers, ids and jitter.")] = None,
    clock: Annotated[
        str, typer.Option(help="real, frozen, a speed such as 60x, or a moment such as 2027-01-31T09:00:00Z.")
    ] = "real",
    bot: Annotated[list[str] | None, typer.Option(help="Register this token; can be repeated.")] = None,
) -> None:
    """Run the simulator: a Bot API server and a town of people, for bots in any language. Ctrl-C ends it."""
    if context.invoked_subcommand is not None:
        return
    from posthouse.simulator.floods import PROFILES
    from posthouse.simulator.serving import Options, serve

    if limits not in PROFILES:
        raise typer.BadParameter(f"{limits!r} is none of {', '.join(PROFILES)}", param_hint="--limits")
    profile = next(profile for profile in PROFILES if profile == limits)
    raise typer.Exit(serve(Options(port, host, profile, strict, state, seed, clock, bot or ())))


@sim.command("replay")
def sim_replay(
    file: Annotated[Path, typer.Argument(help="A scenario, as YAML or JSON.")],
    url: Annotated[str, typer.Option(help="Where the simulator runs.")] = "http://127.0.0.1:8081",
    bot: Annotated[
        list[str] | None, typer.Option(help="TOKEN, or ID=TOKEN: the bot that stands in for a recorded one.")
    ] = None,
    within: Annotated[float, typer.Option(min=0.1, help="Seconds that an answer may take.")] = 10.0,
) -> None:
    """Do again what people did in a scenario, and see that the bots answer as recorded."""
    from posthouse.cli.sim import replay_file

    raise typer.Exit(replay_file(file, url, bot or [], within))


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where the platform listens.")] = 8080,
    sim_port: Annotated[int, typer.Option(help="Where the simulator listens.")] = 8081,
    data: Annotated[Path, typer.Option(help="Where the database goes; a second start goes on from there.")] = Path(
        "posthouse-data"
    ),
    crash: Annotated[
        bool, typer.Option("--crash", help="Kill the bots' process at random moments, and count what is missing.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="End by itself after so long.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not show the conversation.")] = False,
) -> None:
    """Three bots, a simulated Telegram, people who write to them: all on this machine."""
    # The demo is a bundled application, above this layer: it is started as a program, in place of this one.
    command = [sys.executable, "-m", "posthouse_apps.demo"]
    command += [f"--port={port}", f"--sim-port={sim_port}", f"--data={data}"]
    command += [flag for flag, given in (("--crash", crash), ("--quiet", quiet)) if given]
    command += [] if seconds is None else [f"--seconds={seconds}"]
    if sys.platform == "win32":
        import subprocess

        raise typer.Exit(subprocess.call(command))
    os.execv(sys.executable, command)


def main() -> None:
    """The entry point of the `posthouse` command."""
    try:
        app()
    except PosthouseError as error:
        from posthouse.cli.errors import exit_code

        print(f"posthouse: {error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `posthouse dead | head`
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
