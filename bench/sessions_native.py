"""Bots that keep sessions, for the figure `sessions`: each update moves one, and is answered.

flow           a text moves the chat's session between two states; the answer is the screen of the new one
menu           the same with a keyboard, whose outdated copy is taken away: two deliveries a turn
conversation   a text answers a question; the coroutine in memory goes on to the next
replayed       the same with nothing kept in memory: each answer replays the journal (of up to 10 entries)
"""

from posthouse import App, Button, Flow, On, Screen, Session, Talk, Turn
from posthouse.programs.flows import Text

QUESTIONS = 10  # then the conversation begins anew, with an empty journal


def counted(turn: Turn, session: Session) -> Screen:
    """How often the session moved, and the text that moved it."""
    return Screen(f"{session.data['count']}: {turn.text}")


def with_keyboard(turn: Turn, session: Session) -> Screen:
    """The same with two buttons."""
    return Screen(f"{session.data['count']}: {turn.text}", [[Button("Stop", "bench.stop")], [Button("More")]])


async def count(turn: Turn, session: Session) -> None:
    """One more."""
    session.data["count"] += 1


def flow_app(screen: object) -> App:
    """A bot with one flow of two states."""
    app = App("bench")
    flow = app.add(
        Flow(
            "bench",
            start="ping",
            states={"ping": screen, "pong": screen, "stopped": None},  # type: ignore[dict-item]
            final=("stopped",),
            events={"bench.tick": Text()},
            rows=[
                On("ping", "bench.tick", to="pong", handler=count),
                On("pong", "bench.tick", to="ping", handler=count),
                On(("ping", "pong"), "bench.stop", to="stopped"),
            ],
        )
    )

    @app.text()
    async def begin(turn: Turn) -> None:
        await flow.begin(turn, data={"count": 1})

    return app


def conversation_app(live_max: int, questions_max: int = QUESTIONS) -> App:
    """A bot with one conversation that asks and asks."""
    app = App("bench", conversations_live_max=live_max)

    @app.conversation("bench")
    async def questions(talk: Talk, said: str, count: int) -> None:
        for _ in range(questions_max):
            said = await talk.ask(f"{count}: {said}")
            count += 1
        talk.restart(said=said, count=count)

    @app.text()
    async def begin(turn: Turn) -> None:
        await questions.begin(turn, said=turn.text, count=1)

    return app


flow = flow_app(counted)
menu = flow_app(with_keyboard)
conversation = conversation_app(2_000)
replayed = conversation_app(0)
long = conversation_app(1_000, 60)
