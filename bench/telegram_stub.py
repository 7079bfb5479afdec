"""A Bot API server that says yes to everything and remembers when each call arrived.

Answers every POST with a Message of 250 bytes, at once or after `--delay-ms`. Prints `READY` once it listens on
127.0.0.1:$PORT; on SIGUSR2 writes the arrivals to the file $ARRIVALS and prints `HANDLED n`. An arrival is three
8-byte numbers: seconds (monotonic), the bot, the chat.
"""

import argparse
import asyncio
import os
import signal
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop


@dataclass
class Arrivals:
    """What came, in the order it came."""

    at_s: "array[float]"
    bots: "array[int]"
    chats: "array[int]"

    @classmethod
    def empty(cls) -> "Arrivals":
        return cls(array("d"), array("q"), array("q"))

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            for column in (self.at_s, self.bots, self.chats):
                column.tofile(file)

    @classmethod
    def load(cls, path: Path) -> "Arrivals":
        arrivals = cls.empty()
        count = path.stat().st_size // 24
        with path.open("rb") as file:
            for column in (arrivals.at_s, arrivals.bots, arrivals.chats):
                column.fromfile(file, count)
        return arrivals


def _response(number: int, chat: int) -> bytes:
    body = (
        b'{"ok":true,"result":{"message_id":%d,"from":{"id":123456,"is_bot":true,"first_name":"Echo","username":'
        b'"echo_bench_bot"},"chat":{"id":%d,"first_name":"Person","type":"private"},"date":1700000000,'
        b'"text":"A text of a usual length"}}'
    ) % (number, chat)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class StubProtocol(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self, arrivals: Arrivals, delay_s: float) -> None:
        self._arrivals = arrivals
        self._delay_s = delay_s
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        head_end = data.find(b"\r\n\r\n")
        if head_end >= 0:
            head = data[:head_end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(data) >= head_end + 4 + length:
                self._buffer = b""
                self._answer(data, head_end + 4)
                return
        self._buffer = data

    def _answer(self, data: bytes, body_at: int) -> None:
        bot = int(data[data.index(b"/bot") + 4 : data.index(b":")])
        chat_at = data.find(b'"chat_id":', body_at)
        chat = int(data[chat_at + 10 :].partition(b",")[0].rstrip(b"}")) if chat_at >= 0 else 0
        arrivals = self._arrivals
        arrivals.at_s.append(time.monotonic())
        arrivals.bots.append(bot)
        arrivals.chats.append(chat)
        response = _response(len(arrivals.bots), chat)
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._write, response)
        else:
            self._transport.write(response)

    def _write(self, response: bytes) -> None:
        if not self._transport.is_closing():  # the sender may have been killed meanwhile
            self._transport.write(response)


async def serve(port: int, delay_s: float, file: Path) -> None:
    """Serve until the process is ended."""
    arrivals = Arrivals.empty()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        arrivals.save(file)
        print(f"HANDLED {len(arrivals.bots)}", flush=True)

    loop.add_signal_handler(signal.SIGUSR2, tell)
    server = await loop.create_server(lambda: StubProtocol(arrivals, delay_s), "127.0.0.1", port)
    print("READY", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.telegram_stub", description=__doc__.partition("\n")[0])
    parser.add_argument("--delay-ms", type=float, default=0.0)
    arguments = parser.parse_args()
    uvloop.run(serve(int(os.environ["PORT"]), arguments.delay_ms / 1000, Path(os.environ["ARRIVALS"])))


if __name__ == "__main__":
    main()
