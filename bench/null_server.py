"""Answers every request with the same empty 200: what the load generator can do when the server is free.

`python -m bench.null_server` prints `READY` once it listens on 127.0.0.1:$PORT. One chunk of bytes counts as
one request, unparsed. That is right only for `bench.load`, which has one request in flight per connection and
whose requests fit into one segment.
"""

import asyncio
import os
from typing import cast

import uvloop

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class NullProtocol(asyncio.Protocol):
    """One connection that answers a chunk with a 200."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(RESPONSE)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(NullProtocol, "127.0.0.1", port)
    print("READY", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(os.environ["PORT"])))
