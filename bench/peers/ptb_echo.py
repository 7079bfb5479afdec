"""A text echo on python-telegram-bot that counts messages per chat in its chat data, kept in memory.

Listens on 127.0.0.1:$PORT, path /webhook, with the library's own tornado server on uvloop. The library puts
an update into a queue in memory, sends the 200, and works on the queue one update at a time (its default).
No persistence is configured: the dictionary in memory is the best case, and the library's own persistence is
written once a minute. Prints READY once it listens; on SIGUSR2 prints `HANDLED n`, the number of updates
answered so far. MODE and REDIS are not used.

Calls to Telegram end in a request object that answers at once. This seam lies lower than that of the other
two libraries: the library parses the answer's JSON and builds the Message from it.
"""

import asyncio
import json
import os
import signal
import time
from typing import Any

import uvloop
from telegram import Update
from telegram.ext import Application, CallbackContext, MessageHandler, filters
from telegram.request import BaseRequest, RequestData

ME = {"id": 123456, "is_bot": True, "first_name": "Echo", "username": "echo_bench_bot"}


class StubRequest(BaseRequest):
    """Answers calls at once, in this process."""

    def __init__(self) -> None:
        self.handled = 0

    @property
    def read_timeout(self) -> float | None:
        return None

    async def initialize(self) -> None:
        pass

    async def shutdown(self) -> None:
        pass

    async def do_request(
        self, url: str, method: str, request_data: RequestData | None = None, *timeouts: Any, **options: Any
    ) -> tuple[int, bytes]:
        result: Any = True
        if url.endswith("/getMe"):
            result = ME
        elif url.endswith("/sendMessage"):
            assert request_data is not None
            self.handled += 1
            result = {
                "message_id": self.handled,
                "date": int(time.time()),
                "chat": {"id": request_data.parameters["chat_id"], "type": "private"},
                "text": request_data.parameters["text"],
            }
        return 200, json.dumps({"ok": True, "result": result}).encode()


async def echo(update: Update, context: CallbackContext[Any, Any, Any, Any]) -> None:
    """Count in the chat's data, answer with the count."""
    assert update.message is not None
    assert context.chat_data is not None
    count = context.chat_data["count"] = context.chat_data.get("count", 0) + 1
    await update.message.reply_text(f"{count}: {update.message.text}")


async def serve() -> None:
    """Serve until the process is ended."""
    request = StubRequest()
    application = (
        Application.builder()
        .token("123456:bench")
        .request(request)
        .get_updates_request(StubRequest())
        .job_queue(None)
        .build()
    )
    application.add_handler(MessageHandler(filters.TEXT, echo))
    async with application:
        await application.start()
        assert application.updater is not None
        await application.updater.start_webhook(
            listen="127.0.0.1",
            port=int(os.environ["PORT"]),
            url_path="/webhook",
            webhook_url="https://bench.invalid/webhook",
            secret_token=os.environ["SECRET"],
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR2, lambda: print(f"HANDLED {request.handled}", flush=True))
        print("READY", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
