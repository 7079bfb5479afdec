"""The way in over real HTTP: what is refused, how, and that a refusal writes nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from road_stage import PATH, SECRET, Road, echo, message

from posthouse.core.errors import StoreUnavailable
from posthouse.settings import IngressSection, RateSection

pytestmark = pytest.mark.usefixtures("way")
COUNTED = 'posthouse_updates_received_total{{bot="road",result="{}"}}'


@pytest.fixture
def road_url(road_sqlite_url: str) -> str:
    """One store is enough for what happens before it."""
    return road_sqlite_url


@pytest.fixture(params=[PATH, f"{PATH}?"], ids=["protocol", "asgi"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways in: the short one of `WebhookProtocol`, and the ASGI application, which a query leads to."""
    monkeypatch.setattr(Road, "way", request.param)
    return str(request.param)


async def untouched(road: Road) -> None:
    """Nothing of a refused update is anywhere."""
    assert await road.rows("inbox") == []
    assert await road.rows("dead") == []
    assert await road.session() == {}
    assert road.gateway.calls == []


@pytest.mark.req("S1-8", "S2-11")
async def test_an_update_without_the_secret_is_refused_and_not_written(on_road: Any) -> None:
    """Anybody may know the address; only Telegram knows the secret."""
    wrong = [None, "", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "\xff"]
    async with on_road(echo()) as road:
        for secret in wrong:
            assert (await road.post(message(1, "hi"), secret=secret)).status == 403
        assert await road.metric(COUNTED.format("forbidden")) == len(wrong)
        await untouched(road)


@pytest.mark.req("S1-8")
async def test_the_secret_is_asked_before_anything_else(on_road: Any) -> None:
    """Without it neither the size nor the form of the body is told."""
    async with on_road(echo(), ingress=IngressSection(body_max_bytes=10)) as road:
        assert (await road.post(b"x" * 50, secret="wrong")).status == 403
        assert (await road.post(b"{", secret=None)).status == 403


MALFORMED = [
    b"",
    b"{",
    b"nonsense",
    b"[]",
    b"null",
    b"{}",
    b'{"message":{}}',
    b'{"update_id":null}',
    b'{"update_id":"7"}',
    b'{"update_id":7.5}',
    b'{"update_id":-1}',
    b'{"update_id":1e400}',
    b'{"update_id":99999999999999999999}',
    b'{"update_id":1,"message":7}',
    b'{"update_id":1,"message":{"chat":{"id":"one"}}}',
    b'{"update_id":1,"message":{"chat":[]}}',
    b'\xff\xfe{"update_id":1}',
    b'{"update_id":1' + b"," * 100,
    b"[" * 100_000,
]


async def test_what_is_no_update_is_refused_counted_and_not_written(on_road: Any) -> None:
    """400: bad JSON, no usable `update_id`, a routing field of the wrong type."""
    async with on_road(echo()) as road:
        for body in MALFORMED:
            assert (await road.post(body)).status == 400, body[:60]
        assert await road.metric(COUNTED.format("malformed")) == len(MALFORMED)
        await untouched(road)


async def test_a_deeply_nested_update_is_refused_or_run_and_stops_nobody(on_road: Any) -> None:
    """A body can be legal JSON and still too deep for a parser."""
    async with on_road(echo()) as road:
        deep = b'{"update_id":1,"message":{"chat":{"id":5},"deep":' + b"[" * 50_000 + b"]" * 50_000 + b"}}"
        assert (await road.post(deep)).status in (200, 400)
        await road.write(2, "hi", chat=5)
        await road.gateway.sent("hi 1")


async def test_a_body_that_is_too_large_is_refused_unread(on_road: Any) -> None:
    """413, told by its length or, when it comes in chunks, by its bytes; nothing is written."""
    async with on_road(echo(), ingress=IngressSection(body_max_bytes=1000)) as road:
        assert (await road.post(json.dumps(message(1, "x" * 2000)).encode())).status == 413
        client = await road.client()
        client.write_head("POST", Road.way, {"x-telegram-bot-api-secret-token": SECRET, "transfer-encoding": "chunked"})
        for _ in range(3):
            client.writer.write(b"200\r\n" + b"x" * 512 + b"\r\n")
        assert (await client.reply()).status == 413
        await untouched(road)
        await road.write(2, "x" * 200)


async def test_the_default_limit_takes_the_largest_update_of_telegram(on_road: Any) -> None:
    """512 KiB pass; more than 1 MiB does not."""
    async with on_road(echo()) as road:
        reply = await road.post(message(1, "", caption="x" * 512 * 1024))
        assert reply.status == 200
        assert (await road.post(b" " * (1024 * 1024 + 1))).status == 413


async def test_only_post_brings_updates(on_road: Any, way: str) -> None:
    """405 with the method that is allowed."""
    async with on_road(echo()) as road:
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            client = await road.client()
            client.write_head(method, way, {"x-telegram-bot-api-secret-token": SECRET})
            async with asyncio.timeout(10):
                head = await client.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 405")
            assert b"allow: POST" in head


async def test_a_path_of_no_bot_is_not_found(on_road: Any) -> None:
    """404, with or without a secret."""
    async with on_road(echo()) as road:
        for path in (
            "/",
            "/webhook",
            "/webhook/",
            "/webhook/other",
            "/webhook/road/",
            "/webhook/ROAD",
            "/webhook//road",
        ):
            assert (await road.post(message(1, "hi"), path=path)).status == 404, path
        await untouched(road)


async def test_a_repeated_update_is_acknowledged_and_stored_once(on_road: Any) -> None:
    """Telegram repeats what it was not sure of: 200 again, and one run."""
    async with on_road(echo()) as road:
        client = await road.client()
        for _ in range(3):
            assert (await road.post(message(1, "hi"), client=client)).status == 200
        await road.gateway.sent("hi 1")
        assert (await road.post(message(1, "hi"), client=client)).status == 200
        await road.write(2, "end")
        await road.gateway.sent("end 2")
        assert road.gateway.texts == ["hi 1", "end 2"]
        assert await road.metric(COUNTED.format("stored")) == 2
        assert await road.metric(COUNTED.format("duplicate")) == 3


async def test_while_the_store_is_away_telegram_is_asked_to_come_back(on_road: Any) -> None:
    """503 with `Retry-After`, counted; the connection stays, and the next try is stored."""
    async with on_road(echo(), ingress=IngressSection(retry_after_s=3)) as road:
        inbox: Any = road.store.inbox
        ingest = inbox.ingest
        await road.write(1, "before")  # the road is bound to the store's methods by now

        away = True

        async def unwilling(batch: Any) -> list[bool]:
            if away:
                raise StoreUnavailable("the disk is full")
            found: list[bool] = await ingest(batch)
            return found

        road.platform.ingress._inbox.ingest = unwilling  # type: ignore[union-attr, method-assign]
        client = await road.client()
        reply = await road.post(message(2, "hi"), client=client)
        assert (reply.status, reply.headers["retry-after"]) == (503, "3")
        assert not reply.closed
        assert await road.metric(COUNTED.format("unavailable")) == 1
        away = False
        assert (await road.post(message(2, "hi"), client=client)).status == 200
        await road.gateway.sent("hi 2")


async def test_more_than_may_wait_for_the_disk_is_refused(on_road: Any) -> None:
    """Overload is said at once, and does not grow a queue; what was taken is stored."""
    async with on_road(echo(), ingress=IngressSection(waiting_max=2)) as road:
        await road.write(1, "first")
        held, gate = asyncio.Event(), asyncio.Event()
        late: Any = road.platform.ingress._inbox  # type: ignore[union-attr]
        ingest = late.ingest

        async def slow(batch: Any) -> list[bool]:
            held.set()
            await gate.wait()
            found: list[bool] = await ingest(batch)
            return found

        late.ingest = slow
        posts = [asyncio.create_task(road.post(message(2, "a")))]
        await asyncio.wait_for(held.wait(), 10)
        done: set[Any] = set()
        async with asyncio.timeout(10):
            number = 3
            while not done:  # until the waiting room is full and one is turned away
                posts.append(asyncio.create_task(road.post(message(number, "b", chat=number))))
                number += 1
                done, _ = await asyncio.wait(posts, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = {task.result().status for task in done}
        assert refused == 503
        gate.set()
        replies = await asyncio.gather(*posts)
        assert {reply.status for reply in replies} == {200, 503}
        assert all("retry-after" in reply.headers for reply in replies if reply.status == 503)


@pytest.mark.req("S2-15")
async def test_a_person_who_floods_is_limited_and_loses_nothing_that_was_accepted(on_road: Any) -> None:
    """429 with `Retry-After` for that person only; every update that got a 200 is handled."""
    async with on_road(echo(), ingress=IngressSection(per_user=RateSection(per_s=0.001, burst=5))) as road:
        client = await road.client()
        replies = [await road.post(message(number, f"n{number}"), client=client) for number in range(1, 9)]
        assert [reply.status for reply in replies] == [200] * 5 + [429] * 3
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies[5:])
        assert not any(reply.closed for reply in replies)
        await road.write(100, "other", chat=2)
        await road.gateway.sent("other 1", "n5 5")
        assert await road.metric(COUNTED.format("limited")) == 3


@pytest.mark.req("S2-15")
async def test_an_accepted_update_that_is_repeated_over_the_limit_is_not_lost(on_road: Any) -> None:
    """Its 200 was lost on the way: the repetition may be told to wait, but the update itself has run."""
    async with on_road(echo(), ingress=IngressSection(per_user=RateSection(per_s=0.001, burst=1))) as road:
        assert (await road.post(message(1, "once"))).status == 200
        assert (await road.post(message(1, "once"))).status == 429
        await road.gateway.sent("once 1")
        assert road.gateway.texts == ["once 1"]


@pytest.mark.req("S2-15")
async def test_a_person_is_limited_in_all_chats_together(on_road: Any) -> None:
    """The limit is of a person, not of a chat: in a group the others are not limited by one."""

    def said(number: int, person: int) -> dict[str, Any]:
        update = message(number, "hi", chat=-100)
        update["message"]["from"]["id"] = person
        return update

    async with on_road(echo(), ingress=IngressSection(per_user=RateSection(per_s=0.001, burst=2))) as road:
        statuses = [(await road.post(said(number, 7))).status for number in range(1, 4)]
        assert statuses == [200, 200, 429]
        assert (await road.post(said(4, 8))).status == 200


@pytest.mark.req("S2-15")
async def test_an_address_that_floods_is_limited_before_its_body_is_read(on_road: Any) -> None:
    """429 by address, whatever the bot and the person."""
    async with on_road(echo(), ingress=IngressSection(per_ip=RateSection(per_s=0.001, burst=3))) as road:
        statuses = [(await road.post(message(number, "hi", chat=number))).status for number in range(1, 6)]
        assert statuses == [200, 200, 200, 429, 429]


@pytest.mark.req("S2-15")
async def test_behind_a_trusted_proxy_each_address_has_its_own_limit(on_road: Any) -> None:
    """The proxy's own word counts, the last address it names; what a sender writes before it does not."""

    async def post(number: int, forwarded: str) -> int:
        client = await road.client()
        headers = {"x-telegram-bot-api-secret-token": SECRET, "x-forwarded-for": forwarded}
        body = json.dumps(message(number, "hi")).encode()
        return int((await client.request("POST", Road.way, body, headers)).status)

    async with on_road(echo(), ingress=IngressSection(per_ip=RateSection(per_s=0.001, burst=1))) as road:
        assert await post(1, "10.0.0.1") == 200
        assert await post(2, "10.0.0.2") == 200
        assert await post(3, "10.0.0.9, 10.0.0.1") == 429  # a made-up address before the real one
        assert await post(4, "10.0.0.1, 127.0.0.1") == 429  # through two proxies of ours


async def test_an_unread_body_never_becomes_the_next_request(on_road: Any) -> None:
    """After a refusal that left a body unread, the connection either skips it or closes; it is never run."""
    inner = json.dumps(message(666, "smuggled")).encode()
    smuggled = (
        f"POST {Road.way} HTTP/1.1\r\nhost: road\r\nx-telegram-bot-api-secret-token: {SECRET}\r\n"
        f"content-length: {len(inner)}\r\n\r\n"
    ).encode() + inner
    async with on_road(echo(), ingress=IngressSection(body_max_bytes=600)) as road:
        for secret, body in (("wrong", smuggled), (SECRET, smuggled + b"x" * 600)):
            client = await road.client()
            reply = await road.post(body, secret=secret, client=client)
            assert reply.status in (403, 413)
            try:
                again = await road.post(message(1, "again"), client=client)
            except (asyncio.IncompleteReadError, ConnectionError):
                continue  # closed: the other allowed end
            assert again.status == 200
        await road.write(2, "end")
        await road.until(lambda: road.session())
        assert not any("smuggled" in text for text in road.gateway.texts)


async def test_a_connection_is_in_step_after_a_limit(on_road: Any) -> None:
    """After a 429 the next request is read from its beginning, on this connection or on a new one."""
    for limits in ({"per_ip": RateSection(0.001, 1)}, {"per_user": RateSection(0.001, 1)}):
        async with on_road(echo(), ingress=IngressSection(**limits)) as road:
            client = await road.client()
            statuses = []
            for number in (1, 2, 3):
                reply = await road.post(message(number, "x" * 500), client=client)
                statuses.append(reply.status)
                if reply.closed:
                    assert await client.ended()
                    client = await road.client()
            assert statuses == [200, 429, 429]


async def test_a_body_in_chunks_and_a_body_that_comes_slowly_are_read_whole(on_road: Any) -> None:
    """How the bytes arrive does not matter."""
    async with on_road(echo()) as road:
        raw = json.dumps(message(1, "chunked")).encode()
        client = await road.client()
        client.write_head("POST", Road.way, {"x-telegram-bot-api-secret-token": SECRET, "transfer-encoding": "chunked"})
        for start in range(0, len(raw), 50):
            part = raw[start : start + 50]
            client.writer.write(b"%x\r\n" % len(part) + part + b"\r\n")
            await client.writer.drain()
        client.writer.write(b"0\r\n\r\n")
        assert (await client.reply()).status == 200

        raw = json.dumps(message(2, "slow")).encode()
        client.write_head(
            "POST", Road.way, {"x-telegram-bot-api-secret-token": SECRET, "content-length": str(len(raw))}
        )
        for byte in raw:
            client.writer.write(bytes((byte,)))
            await client.writer.drain()
        assert (await client.reply()).status == 200
        await road.gateway.sent("chunked 1", "slow 2")


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(on_road: Any) -> None:
    """Half a body is no update, and no reason for noise or for a stop."""
    async with on_road(echo()) as road:
        client = await road.client()
        client.write_head("POST", Road.way, {"x-telegram-bot-api-secret-token": SECRET, "content-length": "1000"})
        client.writer.write(json.dumps(message(1, "half")).encode()[:60])
        await client.writer.drain()
        client.close()
        await road.write(2, "whole")
        await road.gateway.sent("whole 1")
        assert (await road.session())["count"] == 1


async def test_pipelined_updates_are_answered_in_order(on_road: Any) -> None:
    """A client may send the next before the answer to the last."""
    async with on_road(echo()) as road:
        client = await road.client()
        for number in (1, 2, 3):
            raw = json.dumps(message(number, f"p{number}")).encode()
            client.write_head(
                "POST", Road.way, {"x-telegram-bot-api-secret-token": SECRET, "content-length": str(len(raw))}
            )
            client.writer.write(raw)
        assert [(await client.reply()).status for _ in range(3)] == [200, 200, 200]
        await road.gateway.sent("p1 1", "p2 2", "p3 3")


async def test_the_pages_of_an_operator(on_road: Any) -> None:
    """Health, readiness and metrics answer, and nothing else is there."""
    async with on_road(echo()) as road:
        assert (await road.get("/healthz")).status == 200
        ready = await road.get("/readyz")
        assert (ready.status, ready.body) == (200, b"ready\n")
        metrics = await road.get("/metrics")
        assert metrics.status == 200
        for name in ("updates_received_total", "turn_seconds", "lanes_waiting", "dead_letters_open", "finish_stale"):
            assert f"posthouse_{name}".encode() in metrics.body
        assert (await road.get("/nothing")).status == 404


async def test_readiness_ends_with_the_store_and_with_the_stop(on_road: Any) -> None:
    """A load balancer hears in time that this process takes nothing, and health goes on saying that it lives."""
    async with on_road(echo()) as road:
        upkeep: Any = road.store.upkeep

        async def away() -> Any:
            raise StoreUnavailable("it is being restarted")

        upkeep.schema = away
        reply = await road.get("/readyz")
        assert reply.status == 503
        assert b"being restarted" in reply.body
        assert (await road.get("/healthz")).status == 200
