"""Routes: faults, limits, and beginning anew."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.world import World


def routes_of_rules(world: World) -> APIRouter:
    routes = APIRouter(tags=["rules"])

    @routes.post("/faults")
    async def add_fault(new: views.NewFault) -> views.Fault:
        try:
            return views.Fault.model_validate(world.faults.add(**new.model_dump()))
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    @routes.get("/faults")
    async def list_faults() -> list[views.Fault]:
        return [views.Fault.model_validate(rule) for rule in world.faults.rules.values()]

    @routes.delete("/faults/{rule_id}")
    async def remove_fault(rule_id: int) -> None:
        world.faults.rules.pop(rule_id, None)

    @routes.delete("/faults")
    async def clear_faults() -> None:
        world.faults.clear()

    @routes.get("/settings")
    async def read_settings() -> views.Settings:
        return views.Settings(limits="on" if world.limits else "off", strict_bots=world.town.strict)

    @routes.put("/settings")
    async def change_settings(settings: views.Settings) -> views.Settings:
        world.limits = settings.limits == "on"
        world.town.strict = world.strict_bots = settings.strict_bots
        return settings

    @routes.post("/reset")
    async def reset() -> None:
        """Forget everybody and everything; limits and strictness stay."""
        world.reset()

    return routes
