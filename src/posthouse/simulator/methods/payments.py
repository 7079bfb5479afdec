"""Invoices, and what a bot answers while somebody pays."""

from __future__ import annotations

from itertools import pairwise

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.currencies import CURRENCIES, STARS, SUBSCRIPTION_STARS_MAX
from posthouse.simulator.invoices import NEEDS, Invoice
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.messages import deliver
from posthouse.simulator.methods.queries import answer, open_query
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.payments import SUBSCRIPTION_PERIOD_S
from posthouse.simulator.people import payments
from posthouse.simulator.refusals import bad_request

TITLE_CHARACTERS_MAX = 32
DESCRIPTION_CHARACTERS_MAX = 255
PAYLOAD_BYTES_MAX = 128
TIPS_MAX = 4
AMOUNT_MAX = 9_999_999_999_99
_PROVIDER_MARKS = (":TEST:", ":LIVE:")


def send_invoice(call: Call) -> Wire:
    invoice = read_invoice(call, call.parameters)
    invoice.start_parameter = call.parameters.text("start_parameter")
    message = deliver(call, media=invoice)
    call.world.town.payments.keep_invoice(invoice)
    return message


def create_invoice_link(call: Call) -> str:
    invoice = read_invoice(call, call.parameters)
    invoice.subscription_period_s = _subscription_period_s(call.parameters, invoice)
    call.world.town.payments.keep_invoice(invoice)
    call.world.journal.record("invoice.linked", bot_id=call.bot.id, text=invoice.title, link=invoice.link)
    return invoice.link


def answer_shipping_query(call: Call) -> bool:
    agreed = call.parameters.flag("ok")
    options = _shipping_options(call.parameters) if agreed else []
    reason = "" if agreed else _required(call.parameters, "error_message")
    query = open_query(call, "shipping_query", "shipping_query_id")
    answer(call, query, {"ok": agreed, "error_message": reason, "shipping_options": options})
    if agreed:
        payments.offer_shipping(call.world.town, query, options)
    else:
        payments.decline(call.world.town, query, reason)
    return TRUE


def answer_pre_checkout_query(call: Call) -> bool:
    agreed = call.parameters.flag("ok")
    reason = "" if agreed else _required(call.parameters, "error_message")
    query = open_query(call, "pre_checkout_query", "pre_checkout_query_id")
    answer(call, query, {"ok": agreed, "error_message": reason})
    if agreed:
        payments.pay(call.world.town, query)
    else:
        payments.decline(call.world.town, query, reason)
    return TRUE


def read_invoice(call: Call, given: Parameters) -> Invoice:
    """The invoice that these fields describe, or raise Refusal."""
    title = _required(given, "title")
    description = _required(given, "description")
    payload = _required(given, "payload")
    currency = _required(given, "currency").upper()
    prices = _prices(_json(given, "prices", "prices"))
    if len(title) > TITLE_CHARACTERS_MAX or len(description) > DESCRIPTION_CHARACTERS_MAX:
        raise bad_request("MEDIA_INVALID")
    if len(payload.encode()) > PAYLOAD_BYTES_MAX:
        raise bad_request("INVOICE_PAYLOAD_INVALID")
    invoice = Invoice(
        call.world.town.payments.new_id(),
        call.bot,
        title,
        description,
        payload,
        currency,
        prices,
        provider_token=given.text("provider_token"),
        photo_url=given.text("photo_url"),
    )
    _check_currency(invoice)
    invoice.tip_max, invoice.tips = _tips(given)
    if invoice.in_stars:
        _check_stars(invoice)
    else:
        invoice.needs = [name for name in NEEDS if given.flag(f"need_{name}")]
        invoice.is_flexible = given.flag("is_flexible")
    return invoice


def _check_currency(invoice: Invoice) -> None:
    currency = CURRENCIES.get(invoice.currency_code)
    if currency is None:
        raise bad_request("CURRENCY_INVALID")
    if currency.code != STARS and not any(mark in invoice.provider_token for mark in _PROVIDER_MARKS):
        raise bad_request("PAYMENT_PROVIDER_INVALID")
    if currency.code == STARS and len(invoice.prices) != 1:
        raise bad_request("STARS_INVOICE_INVALID")
    if not currency.total_min <= invoice.total <= currency.total_max:
        raise bad_request("CURRENCY_TOTAL_AMOUNT_INVALID")


def _check_stars(invoice: Invoice) -> None:
    """Stars go without a provider and without tips; what asks for a name or an address is ignored."""
    if invoice.provider_token or invoice.tip_max:
        raise bad_request("STARS_INVOICE_INVALID")


def _subscription_period_s(given: Parameters, invoice: Invoice) -> int:
    period_s = given.integer("subscription_period")
    if not period_s:
        return 0
    if not invoice.in_stars or period_s != SUBSCRIPTION_PERIOD_S:
        raise bad_request("SUBSCRIPTION_PERIOD_INVALID")
    if invoice.total > SUBSCRIPTION_STARS_MAX:
        raise bad_request("SUBSCRIPTION_AMOUNT_INVALID")
    return period_s


def _tips(given: Parameters) -> tuple[int, list[int]]:
    tip_max = given.integer("max_tip_amount")
    if not 0 <= tip_max <= AMOUNT_MAX:
        raise bad_request("invalid max_tip_amount of the currency specified")
    tips = _json(given, "suggested_tip_amounts", "suggested tip amounts") or []
    if not isinstance(tips, list) or not all(isinstance(tip, int) for tip in tips):
        raise bad_request("expected an Array of suggested tip amounts")
    if len(tips) > TIPS_MAX:
        raise bad_request("there can be at most 4 suggested tip amounts")
    if any(tip <= 0 for tip in tips):
        raise bad_request("suggested tip amount must be positive")
    if any(tip > tip_max for tip in tips):
        raise bad_request("suggested tip amount can't be bigger than max_tip_amount")
    if any(later <= earlier for earlier, later in pairwise(tips)):
        raise bad_request("suggested tip amounts must be in strictly increasing order")
    return tip_max, tips


def _prices(prices: object) -> list[Wire]:
    if not isinstance(prices, list):
        raise bad_request("expected an Array of labeled prices")
    checked = [_price(price) for price in prices]
    if not checked:
        raise bad_request("there must be at least one price")
    return checked


def _price(price: object) -> Wire:
    if not isinstance(price, dict):
        raise bad_request("can't parse labeled price: LabeledPrice must be an Object")
    label, amount = price.get("label"), price.get("amount")
    if "label" not in price:
        raise bad_request("can't parse labeled price: Can't find field \"label\"")
    if not isinstance(label, str) or not label:
        raise bad_request("can't parse labeled price: LabeledPrice label must be non-empty")
    if not isinstance(amount, int | str) or isinstance(amount, bool):
        raise bad_request('can\'t parse labeled price: Field "amount" must be of type Number or String')
    try:
        return {"label": label, "amount": int(amount)}
    except ValueError:
        raise bad_request("can't parse labeled price: Can't parse \"amount\" as Number") from None


def _shipping_options(given: Parameters) -> list[Wire]:
    _required(given, "shipping_options")
    options = _json(given, "shipping_options", "shipping options")
    if not isinstance(options, list):
        raise bad_request("expected an Array of shipping options")
    checked = [_shipping_option(option) for option in options]
    if not checked:
        raise bad_request("there must be at least one shipping option")
    return checked


def _shipping_option(option: object) -> Wire:
    if not isinstance(option, dict):
        raise bad_request("can't parse shipping option: ShippingOption must be an Object")
    if not option.get("id"):
        raise bad_request("can't parse shipping option: ShippingOption identifier must be non-empty")
    if not option.get("title"):
        raise bad_request("can't parse shipping option: ShippingOption title must be non-empty")
    return {"id": str(option["id"]), "title": str(option["title"]), "prices": _prices(option.get("prices"))}


def _required(given: Parameters, name: str) -> str:
    value = given.text(name)
    if not value:
        raise bad_request(f'parameter "{name}" is required')
    return value


def _json(given: Parameters, name: str, words: str) -> object:
    if name == "prices":
        _required(given, name)
    try:
        return given.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {words} JSON object") from None


METHODS: Methods = {
    "sendInvoice": send_invoice,
    "createInvoiceLink": create_invoice_link,
    "answerShippingQuery": answer_shipping_query,
    "answerPreCheckoutQuery": answer_pre_checkout_query,
}
