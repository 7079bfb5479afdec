"""One simulator on one port: the Bot API, the control API, and the pushers of webhooks.

    /bot<token>/…, /file/bot<token>/…   bot_api.py (bare ASGI)
    /sim/v1/…                           control/ (FastAPI)
    /                                   page.py, the chat page

It runs in the loop of whoever starts it and never touches that process's signals or logging.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from functools import cached_property
from pathlib import Path
from typing import Self

import uvicorn

from posthouse.simulator.billing import Billing
from posthouse.simulator.bot_api import BotApi, Receive, Scope, Send, cut_connection
from posthouse.simulator.clock import Clock, MovableClock
from posthouse.simulator.closing import PollClosing
from posthouse.simulator.control import site_of
from posthouse.simulator.control.finder import PREFIX
from posthouse.simulator.control.site import Site
from posthouse.simulator.delivery import Webhooks
from posthouse.simulator.floods import Profile
from posthouse.simulator.page import Page
from posthouse.simulator.state.town_file import TownFile
from posthouse.simulator.world import World

_NOT_FOUND = b'{"ok":false,"error_code":404,"description":"Not Found"}'


class PortTaken(Exception):
    """The wanted port is in use; the message names it and the mend."""


class Simulator:
    """A Bot API server and its people, for as long as the `async with` lasts.

        async with Simulator() as sim:
            bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(sim.url)))

    `port=0` picks a free port. `limits="off"` lets a bot send as fast as it can. `seed` makes update
    numbers and retry jitter repeatable. With `strict_bots` a token must be registered through the control
    API first. With `strict_webhooks` setWebhook takes only what the public server takes. `state` names a file that
    keeps the town: it is read at the start and written a moment after each change.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        limits: Profile = "on",
        strict_bots: bool = False,
        strict_webhooks: bool = False,
        clock: Clock | None = None,
        seed: int | None = None,
        state: str | Path | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.world = World(
            clock or MovableClock.running(),
            limits=limits,
            strict_bots=strict_bots,
            strict_webhooks=strict_webhooks,
            seed=seed,
        )
        self._file = None if state is None else TownFile(Path(state), self.world)
        self._server: _Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where bots and tests find it; the port is known once it runs."""
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen; raise PortTaken, TownInUse, or TownUnreadable for a state file that cannot be used."""
        if self._file is not None:
            self._file.load()
        try:
            listener = _listen(self.host, self.port)
        except PortTaken:
            self._release()
            raise
        self.port = listener.getsockname()[1]
        self._server = _Server(_App(self.world))
        ready = self._server.ready
        self._tasks = [
            asyncio.create_task(self._server.serve([listener]), name="simulator server"),
            asyncio.create_task(Webhooks(self.world).run(), name="simulator webhooks"),
            asyncio.create_task(Billing(self.world).run(), name="simulator billing"),
            asyncio.create_task(PollClosing(self.world).run(), name="simulator polls"),
        ]
        if self._file is not None:
            self._tasks.append(asyncio.create_task(self._file.run(), name="simulator state"))
        serving = self._tasks[0]
        serving.add_done_callback(lambda _: ready.set())
        await ready.wait()
        if serving.done():
            await serving  # raises what stopped it
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stopping.set()
        serving, *others = self._tasks
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        try:
            await serving
            await self.saved()
        finally:
            self._release()

    def _release(self) -> None:
        if self._file is not None:
            self._file.release()

    async def saved(self) -> None:
        """Write the town into its file now, if it has one and something changed."""
        if self._file is not None:
            await self._file.save()

    async def run_forever(self) -> None:
        """Until cancelled, or until one of its parts fails."""
        ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()


class _App:
    """Sends each request to its side by prefix."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bot_api = BotApi(world)
        self.page = Page()

    @cached_property
    def control(self) -> Site:
        """Made when it is first asked for: its routes take a tenth of a second, and many tests ask nothing of them."""
        return site_of(self.world)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(("/bot", "/file/bot")):
            await self.bot_api(scope, receive, send)
        elif path.startswith(PREFIX):
            await self.control(scope, receive, send)
        elif self.page.has(path):
            await self.page(scope, receive, send)
        else:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_NOT_FOUND))]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": _NOT_FOUND})


class _Server(uvicorn.Server):
    """uvicorn as a guest in somebody else's loop: no signals, no ticking, a prompt end.

    Overrides uvicorn's own steps: `startup`, `main_loop`, `shutdown`.
    """

    def __init__(self, app: _App) -> None:
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                self._until_stopped,
                interface="asgi3",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=75,  # uvicorn's five seconds are as long as a busy machine's pause in a test
            )
        )
        self._app = app

    async def _until_stopped(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; when the server stops under it, cut its connection."""
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self.stopping.is_set():
                raise
            await cut_connection(receive, send)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        waiting = list(self.server_state.tasks)  # long polls and waits that nobody will answer now
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, or raise PortTaken."""
    # Without the protocol named, asyncio does not set TCP_NODELAY, and every answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise PortTaken(
            f"cannot listen on {host}:{port} ({reason}); stop the program that has the "
            "port, or choose another with --port (0 picks a free one)"
        ) from None
    return listener
