"""The short way of webhooks through uvicorn's protocol: what a connection lives through."""

from __future__ import annotations

import asyncio
from typing import Any

from road_stage import echo, message

from posthouse.adapters.http.protocol import WebhookProtocol


def protocols(road: Any) -> list[WebhookProtocol]:
    return list(road.platform.server._server.server_state.connections)


async def test_an_idle_connection_is_closed_and_a_used_one_is_not(on_road: Any) -> None:
    """A connection is closed when nothing came for the keep-alive time since the last answer, and not before."""
    async with on_road(echo()) as road:
        client = await road.client()
        assert (await road.post(message(1, "a"), client=client)).status == 200
        (protocol,) = protocols(road)
        assert protocol._idle_timer is not None
        protocol._close_if_idle()  # long before the time: it only looks, and looks again later
        assert not protocol.transport.is_closing()
        assert (await road.post(message(2, "b"), client=client)).status == 200
        protocol.timeout_keep_alive = 0
        protocol._close_if_idle()
        assert protocol.transport.is_closing()
        assert await asyncio.wait_for(client.reader.read(), 5) == b""


async def test_one_connection_serves_webhooks_and_pages_in_turn(on_road: Any) -> None:
    """A page after a webhook, and a webhook after a page, on one connection: each goes its own way."""
    async with on_road(echo()) as road:
        client = await road.client()
        for number in (1, 2, 3):
            assert (await road.post(message(number, "a"), client=client)).status == 200
            page = await client.request("GET", "/healthz")
            assert (page.status, page.body) == (200, b"ok\n")
        await road.idle()
        assert (await road.session())["count"] == 3
