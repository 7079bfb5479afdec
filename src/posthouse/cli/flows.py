"""`posthouse flows`: the flows of the configured bots, and the picture of each, drawn from the table that runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from posthouse import bootstrap
from posthouse.cli.desk import operator_settings, print_json
from posthouse.cli.tables import table
from posthouse.core.errors import ConfigurationInvalid, NotFound
from posthouse.log import configure
from posthouse.programs.app import App
from posthouse.programs.flows.flow import Flow


def show_flows(config: Path, *, json: bool) -> None:
    """Print the flows of every bot."""
    flows = [(bot, flow) for bot, known in flows_of(config).items() for flow in known.values()]
    if json:
        print_json([_plain(bot, flow) for bot, flow in flows])
        return
    if not flows:
        typer.echo("No bot has flows.")
        return
    headings = ("bot", "flow", "states", "events", "whose", "idle at most", "buttons")
    for line in table(headings, [_row(bot, flow) for bot, flow in flows]):
        typer.echo(line)


def show_diagram(config: Path, bot: str, flow: str | None) -> None:
    """Print the Mermaid diagram of a flow; its name may be left out where the bot has one alone."""
    bots = flows_of(config)
    if bot not in bots:
        raise ConfigurationInvalid(f"{config} has no bot {bot} (it has: {', '.join(bots) or 'none'})")
    known = bots[bot]
    if not known:
        raise NotFound(f"the bot {bot} has no flows: `posthouse flows` lists those that there are")
    names = ", ".join(known)
    if flow is None and len(known) > 1:
        raise typer.BadParameter(f"the bot {bot} has several flows, so name one: {names}", param_hint="FLOW")
    found = known.get(flow or next(iter(known)))
    if found is None:
        raise NotFound(f"the bot {bot} has no flow {flow}: it has {names}")
    typer.echo(found.diagram(), nl=False)


def flows_of(config: Path) -> dict[str, dict[str, Flow]]:
    """The flows of each bot, by name; none for a hosted program. The bots' modules are imported, as `up` does."""
    configure(level="warning", format="console")
    bots = bootstrap.configured_bots(operator_settings(config))
    return {bot.name: bot.program.flows if isinstance(bot.program, App) else {} for bot in bots}


def idle_of(flow: Flow) -> str:
    """How long a session may be idle, for people."""
    ttl_s = flow.policy.ttl_s
    if ttl_s is None:
        return ""
    for seconds, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if ttl_s >= seconds and ttl_s % seconds == 0:
            return f"{ttl_s / seconds:g} {unit}{'' if ttl_s == seconds else 's'}"
    return f"{ttl_s:g} seconds"


def _row(bot: str, flow: Flow) -> tuple[object, ...]:
    states, policy = flow.table.states, flow.policy
    idle = idle_of(flow) or "for ever"
    return bot, flow.name, len(states), len(flow.table.events), policy.strategy, idle, ", ".join(_formats(flow))


def _plain(bot: str, flow: Flow) -> dict[str, Any]:
    return {
        "bot": bot,
        "flow": flow.name,
        "states": flow.table.states,
        "start": flow.table.start,
        "final": [state for state in flow.table.states if state in flow.table.final],
        "events": flow.table.events,
        "strategy": flow.policy.strategy,
        "ttl_s": flow.policy.ttl_s,
        "formats": _formats(flow),
    }


def _formats(flow: Flow) -> list[str]:
    return sorted(flow.policy.formats, reverse=True)
