"""uvicorn as a service of the platform: our event loop, our signals, our socket."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from posthouse.core.errors import ConfigurationInvalid

KEEP_ALIVE_S = 75  # Telegram keeps its connections; closing them costs it a handshake for each update


class HttpServer:
    """Serves one ASGI application. The socket is bound at once: a taken port is known before anything starts."""

    def __init__(self, app: Any, *, host: str, port: int, key: str = "http.port", http: Any = "httptools") -> None:
        self._socket = _bind(host, port, key)
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                app,
                http=http,
                loop="none",
                ws="none",
                lifespan="off",
                interface="asgi3",
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=10,
            )
        )

    async def run(self) -> None:
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals are the platform's."""
        yield


def _bind(host: str, port: int, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationInvalid(
                f"{key}: port {port} on {host} is taken by another program; stop it or choose another port"
            ) from None
        raise ConfigurationInvalid(f"{key}: cannot listen on {host}:{port}: {error.strerror}") from None
    bound.setblocking(False)
    return bound
