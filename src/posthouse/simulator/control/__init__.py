"""The control API under `/sim/v1`: people act, tests look and wait, faults are set.

Waiting happens here and not in the client: a `wait` request is answered by the event that fulfils it, or
when its (real) time is over. The OpenAPI document is at `/sim/v1/openapi.json`.
"""

from __future__ import annotations

from functools import cache

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from posthouse.simulator.control.bots import routes_of_bots
from posthouse.simulator.control.chats import routes_of_chats
from posthouse.simulator.control.clock import routes_of_the_clock
from posthouse.simulator.control.coverage import routes_of_coverage
from posthouse.simulator.control.deliveries import routes_of_deliveries
from posthouse.simulator.control.files import routes_of_files, routes_of_stickers
from posthouse.simulator.control.finder import PREFIX
from posthouse.simulator.control.groups import routes_of_groups
from posthouse.simulator.control.inline import routes_of_inline
from posthouse.simulator.control.journal import routes_of_the_journal
from posthouse.simulator.control.media import routes_of_media
from posthouse.simulator.control.members import routes_of_members
from posthouse.simulator.control.messages import routes_of_messages
from posthouse.simulator.control.opening import routes_of_opening
from posthouse.simulator.control.page import routes_of_the_page
from posthouse.simulator.control.payments import routes_of_payments
from posthouse.simulator.control.people import routes_of_people
from posthouse.simulator.control.rules import routes_of_rules
from posthouse.simulator.control.scenarios import routes_of_scenarios
from posthouse.simulator.control.site import Site
from posthouse.simulator.control.state import routes_of_state
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.world import World

ROUTES = (
    routes_of_bots,
    routes_of_people,
    routes_of_chats,
    routes_of_groups,
    routes_of_members,
    routes_of_messages,
    routes_of_files,
    routes_of_stickers,
    routes_of_payments,
    routes_of_media,
    routes_of_inline,
    routes_of_opening,
    routes_of_the_journal,
    routes_of_rules,
    routes_of_the_clock,
    routes_of_deliveries,
    routes_of_state,
    routes_of_coverage,
    routes_of_the_page,
    routes_of_scenarios,
)


def site_of(world: World) -> Site:
    """The control API of one world."""
    return Site.of(world, _application(), PREFIX)


@cache
def _application() -> FastAPI:
    app = FastAPI(
        title="Posthouse simulator",
        summary="People, faults and the journal of a simulated Telegram.",
        version="1",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=f"{PREFIX}/docs",
        redoc_url=None,
    )
    for routes_of in ROUTES:
        app.include_router(routes_of(), prefix=PREFIX)
    app.add_exception_handler(Impossible, _conflict)
    app.add_exception_handler(Refusal, _refused)
    return app


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=409)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=422)
