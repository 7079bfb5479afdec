"""One life of the platform of `talk_app`: waits for its order on stdin, runs, and kills itself at the point it says.

    {"point": "after step", "after": 1}

The points of the road are wrapped around the store by `ledger_platform.Killer`; those of the dialogue call `at`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from typing import Any

import ledger_app
import ledger_platform
import talk_app
from ledger_platform import Killer, warm_up

from posthouse.core.errors import PosthouseError


class TalkGateway:
    """Telegram as far as the dialogue needs it: a line for each call, and a message id that its text decides."""

    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        body = json.loads(payload)
        await asyncio.sleep(0.001)
        ledger_app.record("call " + json.dumps([method, body]))
        await asyncio.sleep(0.001)
        return {"message_id": zlib.crc32(body.get("text", method).encode())}

    async def close(self) -> None:
        return


def main() -> None:
    options = json.loads(sys.argv[1])
    warm_up(options["url"])
    order = json.loads(sys.stdin.readline())
    killer = Killer(order["point"] or None, order["after"])
    talk_app.watchers.append(killer.passes)
    asyncio.run(ledger_platform.main(options, settings_for=talk_app.settings_for, gateway=TalkGateway(), killer=killer))


if __name__ == "__main__":
    try:
        main()
    except PosthouseError as error:
        sys.exit(f"{type(error).__name__}: {error}")
