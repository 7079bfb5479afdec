"""Routes: faults, limits, and the settings."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.control.site import here
from posthouse.simulator.faults import KINDS


def routes_of_rules() -> APIRouter:
    routes = APIRouter(tags=["rules"])

    @routes.post("/faults")
    async def add_fault(new: views.NewFault) -> views.Fault:
        try:
            rule = here().faults.add(**new.model_dump())
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        here().changes += 1
        here().journal.record("fault.added", bot_id=rule.bot_id, text=rule.kind, rule=rule.id, fault=rule.kind)
        return views.Fault.model_validate(rule)

    @routes.get("/faults")
    async def list_faults() -> list[views.Fault]:
        return [views.Fault.model_validate(rule) for rule in here().faults.rules.values()]

    @routes.get("/faults/kinds")
    async def list_fault_kinds() -> list[views.FaultKind]:
        """What can go wrong, with an explanation of each."""
        return [
            views.FaultKind(kind=name, stage=kind.stage, explanation=kind.explanation, uses=list(kind.uses))
            for name, kind in KINDS.items()
        ]

    @routes.delete("/faults/{rule_id}")
    async def remove_fault(rule_id: int) -> None:
        here().faults.rules.pop(rule_id, None)
        here().changes += 1

    @routes.delete("/faults")
    async def clear_faults() -> None:
        """No rules, and no chat or bot that a rule has closed."""
        here().faults.clear()
        here().floods.forced.clear()
        here().changes += 1

    @routes.get("/limits")
    async def read_limits(bot: int | None = None, chat: int | None = None) -> views.Limits:
        """Every budget that was used, and why the last calls were refused."""
        states = here().floods.states(here().clock.now())
        return views.Limits(
            profile=here().profile,
            budgets=[
                views.Budget.model_validate(state)
                for state in states
                if bot in (None, state.bot_id) and chat in (None, state.chat_id)
            ],
            hits=[views.Hit.model_validate(hit) for hit in reversed(here().floods.hits) if bot in (None, hit.bot_id)],
        )

    @routes.get("/settings")
    async def read_settings() -> views.Settings:
        return views.Settings.model_validate(here().settings())

    @routes.put("/settings")
    async def change_settings(settings: views.Settings) -> views.Settings:
        """Switch limits and strictness; another profile begins with full budgets."""
        here().change_settings(**settings.model_dump())
        return settings

    return routes
