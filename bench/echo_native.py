"""The text echo as a native bot: counts messages per chat in its session, and answers.

Two texts are not for echoing but for the figures about waiting: `sleep 2.5` sleeps so many seconds, `nap 5` so many
milliseconds; neither answers.
"""

import asyncio
import re

from posthouse import App, Turn

app = App("echo")


@app.text(re.compile(r"(sleep|nap) [\d.]+$"))
async def rest(turn: Turn) -> None:
    """Wait as long as the text says."""
    unit, _, amount = turn.text.partition(" ")
    await asyncio.sleep(float(amount) * (1.0 if unit == "sleep" else 0.001))


@app.text()
async def echo(turn: Turn) -> None:
    """Count in the session, answer with the count."""
    count = turn.session["count"] = turn.session.get("count", 0) + 1
    turn.say(f"{count}: {turn.text}")
