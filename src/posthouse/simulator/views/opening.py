"""Links that people follow, and what they open."""

from __future__ import annotations

from posthouse.simulator import web_apps as state
from posthouse.simulator.people import opening
from posthouse.simulator.views.messages import Message, of_message
from posthouse.simulator.views.payments import Invoice, of_invoice
from posthouse.simulator.views.view import View


class Following(View):
    """A person follows a link, seen in `chat`. `group` is the one they pick when the link asks for one."""

    person: int
    url: str
    chat: str | None = None
    group: str | None = None


class ButtonOpening(View):
    """A person presses an inline button that opens something. `agreed` is the consent to a login button."""

    person: int
    text: str
    message: int | None = None
    agreed: bool = True


class AppOpening(View):
    """A Mini App behind the bot's menu button, or behind the button `text` of the reply keyboard."""

    person: int
    bot: int
    text: str | None = None


class AppData(View):
    data: str


class WebApp(View):
    """An opened Mini App. `url` is what the person's app loads; `init_data` is what a bot checks."""

    id: str
    bot: int
    person: int
    source: str
    url: str
    init_data: str
    query_id: str = ""
    can_send_data: bool


class WebAppKey(View):
    """The key of the simulator's Telegram, for the third-party check of initData. In hex."""

    public_key: str


class Opened(View):
    """What is in front of the person now; see posthouse.simulator.people.opening.Opened for the kinds."""

    kind: str
    chat: str | None = None
    message: Message | None = None
    invoice: Invoice | None = None
    web_app: WebApp | None = None
    url: str = ""
    text: str = ""
    bot: int | None = None


def of_launch(launch: state.Launch) -> WebApp:
    return WebApp(
        id=launch.id,
        bot=launch.bot.id,
        person=launch.person.id,
        source=launch.source,
        url=launch.url,
        init_data=launch.init_data,
        query_id=launch.query_id,
        can_send_data=launch.source == "keyboard" and not launch.closed,
    )


def of_opened(opened: opening.Opened) -> Opened:
    return Opened(
        kind=opened.kind,
        chat=opened.chat,
        message=None if opened.message is None else of_message(opened.message),
        invoice=None if opened.invoice is None else of_invoice(opened.invoice),
        web_app=None if opened.web_app is None else of_launch(opened.web_app),
        url=opened.url,
        text=opened.text,
        bot=None if opened.bot is None else opened.bot.id,
    )
