"""An invoice: what a bot asks money for. It is the media of a message, or is behind a link."""

from __future__ import annotations

from dataclasses import dataclass, field

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.currencies import CURRENCIES, STARS, Currency
from posthouse.simulator.files import File

NEEDS = ("name", "phone_number", "email", "shipping_address")
"""What an invoice may want to know; `need_<name>` in the call, the name itself in `order_info`."""
LINK_PREFIX = "https://t.me/$"


@dataclass(slots=True, eq=False)
class Invoice:
    """`slug` identifies it, and ends its link when it has one. Amounts are in the currency's smallest unit."""

    slug: str
    bot: Bot
    title: str
    description: str
    payload: str
    currency_code: str
    prices: list[Wire]
    start_parameter: str = ""
    provider_token: str = ""
    tip_max: int = 0
    tips: list[int] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    is_flexible: bool = False
    subscription_period_s: int = 0
    photo_url: str = ""
    paid: bool = False
    """It was paid in a private chat, where its button now shows the receipt."""

    @property
    def kind(self) -> str:
        return "invoice"

    @property
    def file(self) -> File | None:
        return None

    @property
    def in_stars(self) -> bool:
        return self.currency_code == STARS

    @property
    def currency(self) -> Currency:
        return CURRENCIES[self.currency_code]

    @property
    def total(self) -> int:
        return sum(price["amount"] for price in self.prices)

    @property
    def link(self) -> str:
        return LINK_PREFIX + self.slug

    @property
    def pay_text(self) -> str:
        """What stands on the button that the server adds when the bot brings none."""
        return f"Pay {self.currency.shown(self.total)}"

    def wire(self, to: Bot) -> Wire:
        """The fields of Message that a bot is shown."""
        invoice: Wire = {
            "title": self.title,
            "description": self.description,
            "start_parameter": self.start_parameter,
            "currency": self.currency_code,
            "total_amount": self.total,
        }
        return {self.kind: invoice}
