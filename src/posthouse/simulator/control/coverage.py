"""Routes: what the simulator can do."""

from __future__ import annotations

from fastapi import APIRouter

from posthouse.simulator import views
from posthouse.simulator.coverage import measure_coverage


def routes_of_coverage() -> APIRouter:
    routes = APIRouter(tags=["coverage"])

    @routes.get("/coverage")
    async def read_coverage() -> views.Coverage:
        """Which methods of the Bot API have behaviour here, and what is missing in them."""
        return views.Coverage.model_validate(measure_coverage())

    return routes
