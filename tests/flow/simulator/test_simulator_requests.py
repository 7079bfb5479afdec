"""How a request is read: where parameters come from, what is too much, and what cannot be read at all."""

from __future__ import annotations

import asyncio
import gzip
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from simulator_stage import TOKEN

from posthouse.simulator import Simulator
from posthouse.testing.town import Person

FORM = "application/x-www-form-urlencoded"


async def post(
    sim: Simulator, method: str, body: bytes, content_type: str, *, query: str = "", **headers: str
) -> tuple[int, dict[str, Any]]:
    url = f"{sim.url}/bot{TOKEN}/{method}{query}"
    headers = {"Content-Type": content_type, **headers}
    async with aiohttp.ClientSession() as http, http.post(url, data=BytesIO(body), headers=headers) as response:
        return response.status, await response.json()


async def test_the_query_comes_before_the_body_and_the_first_value_wins(sim: Simulator, ann: Person) -> None:
    """Both are read; a parameter that is there twice keeps its first value, and unknown ones are ignored."""
    body = f"text=body&text=again&chat_id={ann.id}&unheard=of".encode()
    _, answer = await post(sim, "sendMessage", body, FORM, query="?text=query")
    assert answer["result"]["text"] == "query"
    _, answer = await post(sim, "SENDMESSAGE", body, FORM)
    assert answer["result"]["text"] == "body"


async def test_an_object_and_its_text_are_the_same(sim: Simulator, ann: Person) -> None:
    """JSON inside a string is read like JSON in its place; integers may be strings with something behind them."""
    keyboard = b'{"inline_keyboard":[[{"text":"a","callback_data":"b"}]]}'
    for markup in (keyboard, b'"' + keyboard.replace(b'"', b'\\"') + b'"'):
        body = b'{"chat_id":"%d","text":"hi","reply_markup":%s}' % (ann.id, markup)
        status, answer = await post(sim, "sendMessage", body, "application/json")
        assert status == 200
        assert answer["result"]["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "b"
    deleted = f"chat_id={ann.id}&message_id={answer['result']['message_id']}th".encode()
    assert (await post(sim, "deleteMessage", deleted, FORM))[0] == 200


async def test_a_packed_body_is_unpacked(sim: Simulator, ann: Person) -> None:
    """gzip and deflate are understood, other encodings are 415, and a bomb is 413."""
    body = b'{"chat_id":%d,"text":"hi"}' % ann.id
    packed = {"Content-Encoding": "gzip"}
    assert (await post(sim, "sendMessage", gzip.compress(body), "application/json", **packed))[0] == 200
    status, answer = await post(sim, "sendMessage", body, "application/json", **packed)
    assert (status, answer["description"]) == (400, "Bad Request: can't decode the body")
    assert (await post(sim, "sendMessage", body, "application/json", **{"Content-Encoding": "br"}))[0] == 415
    bomb = gzip.compress(b"\0" * (60 << 20))
    assert (await post(sim, "sendMessage", bomb, "application/json", **packed))[0] == 413


async def test_too_much_is_413(sim: Simulator) -> None:
    """More than a mebibyte of parameters, more than fifty files, and a body above every limit are refused."""
    for body, content_type in (
        (b"text=" + b"x" * (1 << 20), FORM),
        (b'{"text":"' + b"x" * (1 << 20) + b'"}', "application/json"),
        (_files(51), "multipart/form-data; boundary=b"),
    ):
        status, answer = await post(sim, "sendMessage", body, content_type)
        assert (status, answer["error_code"]) == (413, 413)
        assert answer["description"].startswith("Request Entity Too Large")
    assert (await post(sim, "sendMessage", _files(50), "multipart/form-data; boundary=b"))[0] == 400


@pytest.mark.parametrize(
    ("body", "content_type", "description"),
    [
        (b'{"text":', "application/json", "can't parse parameter value"),
        (b"[1]", "application/json", "JSON object expected"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "application/json", "too big object depth"),
        (b'{"text":"\\ud800"}', "application/json", "can't parse parameter value"),
        (b'{"text":"\xff"}', "application/json", "strings must be encoded in UTF-8"),
        (b"text=%ED%A0%80", FORM, "strings must be encoded in UTF-8"),
        (b"text=\xff", FORM, "strings must be encoded in UTF-8"),
        (b"--b\r\n\r\nhi\r\n--b--\r\n", "multipart/form-data", "boundary not found"),
        (b"--b\r\n\r\nhi\r\n--b--\r\n", "multipart/form-data; boundary=b", "field name"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nhi', "multipart/form-data; boundary=b", "end of"),
        (b"nonsense", "multipart/form-data; boundary=b", "Bad Request"),
        (b"chat_id=1&text=hi", "text/plain", "message text is empty"),
    ],
)
async def test_what_cannot_be_read_is_400(sim: Simulator, body: bytes, content_type: str, description: str) -> None:
    """The refusal says what is wrong, nothing crashes, and a body of an unknown type is not read."""
    status, answer = await post(sim, "sendMessage", body, content_type)
    assert status == 400
    assert description in answer["description"]


async def test_nonsense_on_the_socket_ends_that_connection_only(sim: Simulator, ann: Person) -> None:
    """Bytes that are no HTTP, an endless head and a body that never comes keep nobody else from an answer."""
    for nonsense in (
        b"\x00\xff\x16\x03\r\n\r\n",
        b"GET /bot HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n",
    ):
        _, writer = await asyncio.open_connection(sim.host, sim.port)
        writer.write(nonsense)
        await writer.drain()
        writer.close()
    _, waiting = await asyncio.open_connection(sim.host, sim.port)
    waiting.write(b"POST /bot%s/sendMessage HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow" % TOKEN.encode())
    await waiting.drain()
    status, _ = await post(sim, "sendMessage", f"chat_id={ann.id}&text=hi".encode(), FORM)
    assert status == 200
    waiting.close()


def _files(count: int) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f%d"; filename="f"\r\n\r\nx\r\n'
    return b"".join(part % number for number in range(count)) + b"--b--\r\n"
