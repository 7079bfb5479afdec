"""Money: invoices, checkouts, refunds and subscriptions, in Stars and with a provider."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LabeledPrice,
    PreCheckoutQuery,
    ShippingOption,
    Update,
)
from simulator_stage import TOKEN

from posthouse.simulator import MovableClock
from posthouse.simulator.views import OrderInfo, ShippingAddress
from posthouse.testing.town import Checkout, NotPaid, Person, Town, TownError

MONTH_S = 2_592_000
PROVIDER = "381764678:TEST:1"
ADDRESS = ShippingAddress(country_code="DE", city="Bonn", street_line1="Markt 1", post_code="53111")


def stars(amount: int) -> list[LabeledPrice]:
    return [LabeledPrice(label="Tea", amount=amount)]


async def invoice(bot: Bot, ann: Person, **changed: object) -> None:
    arguments = {
        "title": "Tea",
        "description": "A cup of tea",
        "payload": "tea-1",
        "currency": "XTR",
        "prices": stars(100),
    }
    await bot.send_invoice(ann.id, **{**arguments, **changed})


async def asked(bot: Bot, town: Town) -> Update:
    """The next update, once there is one; older ones are confirmed."""
    (update,) = await bot.get_updates(limit=1, timeout=5)
    await bot.get_updates(offset=update.update_id + 1)
    return update


async def pre_checkout(bot: Bot, town: Town) -> PreCheckoutQuery:
    query = (await asked(bot, town)).pre_checkout_query
    assert query is not None
    return query


async def agreeing(bot: Bot, town: Town) -> PreCheckoutQuery:
    query = await pre_checkout(bot, town)
    await bot.answer_pre_checkout_query(query.id, ok=True)
    return query


async def test_paying_in_stars_moves_them(bot: Bot, town: Town, ann: Person) -> None:
    """An invoice, the bot's word within ten seconds, the service message, and both accounts."""
    await invoice(bot, ann)
    shown = await ann.chat_with(TOKEN).next_message()
    assert shown.button_texts == ["Pay ⭐️100"]
    before = await ann.stars()
    agreement = asyncio.create_task(agreeing(bot, town))
    paid = await ann.pays(shown)
    query = await agreement
    assert (query.currency, query.total_amount, query.invoice_payload) == ("XTR", 100, "tea-1")
    message = (await asked(bot, town)).message
    assert message is not None
    assert message.successful_payment is not None
    payment = message.successful_payment
    assert (payment.total_amount, payment.telegram_payment_charge_id) == (100, paid.charge_id)
    assert (payment.is_recurring, payment.subscription_expiration_date) == (None, None)
    assert (before - await ann.stars(), (await bot.get_my_star_balance()).amount) == (100, 100)
    (transaction,) = (await bot.get_star_transactions()).transactions
    assert (transaction.id, transaction.amount, transaction.source.type) == (paid.charge_id, 100, "user")
    with pytest.raises(TownError, match="its button shows the receipt"):
        await ann.pays(shown)


async def test_a_refund_happens_once(bot: Bot, town: Town, ann: Person) -> None:
    """Stars go back, the bot gets its own service message, and a second refund is refused."""
    link = await bot.create_invoice_link("Tea", "A cup", "tea-1", "XTR", stars(70))
    agreement = asyncio.create_task(agreeing(bot, town))
    paid = await ann.pays(link)
    await agreement
    await asked(bot, town)
    charge = str(paid.charge_id)
    assert await bot.refund_star_payment(ann.id, charge) is True
    message = (await asked(bot, town)).message
    assert message is not None
    assert message.refunded_payment is not None
    assert (message.refunded_payment.telegram_payment_charge_id, message.refunded_payment.total_amount) == (charge, 70)
    assert (await ann.stars(), (await bot.get_my_star_balance()).amount) == (10_000, 0)
    paid_in, paid_back = (await bot.get_star_transactions()).transactions
    assert (paid_in.id, paid_back.id, paid_back.source) == (charge, charge, None)
    with pytest.raises(TelegramBadRequest, match="CHARGE_ALREADY_REFUNDED"):
        await bot.refund_star_payment(ann.id, charge)
    with pytest.raises(TelegramBadRequest, match="CHARGE_NOT_FOUND"):
        await bot.refund_star_payment(ann.id, "stx-of-nobody")
    with pytest.raises(TelegramBadRequest, match="user not found"):
        await bot.refund_star_payment(77, charge)


async def test_who_has_too_few_stars_cannot_pay(bot: Bot, town: Town, ann: Person) -> None:
    """The form says so before the bot is asked."""
    await invoice(bot, ann)
    await ann.gets_stars(-9_950)
    with pytest.raises(TownError, match="Ann has 50 Stars and this costs 100"):
        await ann.pays(await ann.chat_with(TOKEN).next_message())
    with pytest.raises(TownError, match="only 50"):
        await ann.gets_stars(-51)
    assert await bot.get_updates() == []


async def test_a_bot_may_decline(bot: Bot, town: Town, ann: Person) -> None:
    """The person reads why, and keeps the Stars."""
    await invoice(bot, ann)
    checkout = await ann.confirms(await ann.chat_with(TOKEN).next_message())
    query = await pre_checkout(bot, town)
    with pytest.raises(TelegramBadRequest, match='parameter "error_message" is required'):
        await bot.answer_pre_checkout_query(query.id, ok=False)
    await bot.answer_pre_checkout_query(query.id, ok=False, error_message="No tea left")
    seen = await checkout.settled()
    assert (seen.state, seen.reason, await ann.stars()) == ("declined", "No tea left", 10_000)


async def test_ten_seconds_and_no_more(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """A checkout without an answer ends by the clock, and a late answer is refused."""
    await invoice(bot, ann)
    shown = await ann.chat_with(TOKEN).next_message()
    checkout = await ann.confirms(shown)
    query = await pre_checkout(bot, town)
    await clock.advance(10.5)
    seen = await checkout.settled()
    assert (seen.state, seen.reason) == ("expired", "the bot did not answer in time")
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_pre_checkout_query(query.id, ok=True)
    assert await ann.stars() == 10_000
    with pytest.raises(NotPaid, match="confirming after"):
        await ann.pays(shown, within_s=0.01)


async def test_a_closed_form_is_not_paid(bot: Bot, town: Town, ann: Person) -> None:
    """Even when the bot agrees a moment later."""
    await invoice(bot, ann)
    checkout = await ann.confirms(await ann.chat_with(TOKEN).next_message())
    query = await pre_checkout(bot, town)
    await checkout.is_closed()
    await bot.answer_pre_checkout_query(query.id, ok=True)
    assert ((await checkout.settled()).state, await ann.stars()) == ("canceled", 10_000)


async def test_shipping_is_asked_for_and_chosen(bot: Bot, town: Town, ann: Person) -> None:
    """A flexible invoice: address, options, the total with tip and shipping, and the order's details."""
    await invoice(
        bot,
        ann,
        currency="USD",
        provider_token=PROVIDER,
        prices=[LabeledPrice(label="Tea", amount=500), LabeledPrice(label="Discount", amount=-100)],
        max_tip_amount=200,
        suggested_tip_amounts=[50, 100],
        need_name=True,
        need_shipping_address=True,
        is_flexible=True,
    )
    shown = await ann.chat_with(TOKEN).next_message()
    assert shown.button_texts == ["Pay 4.00 USD"]
    with pytest.raises(TownError, match="the form is not complete: name, shipping_address"):
        await ann.confirms(shown)
    with pytest.raises(TownError, match="at most 200"):
        await ann.confirms(shown, tip=201, order_info=OrderInfo(name="Ann", shipping_address=ADDRESS))
    checkout = await ann.confirms(shown, tip=50, order_info=OrderInfo(name="Ann", shipping_address=ADDRESS))
    query = (await asked(bot, town)).shipping_query
    assert query is not None
    assert (query.shipping_address.city, query.invoice_payload) == ("Bonn", "tea-1")
    post = ShippingOption(id="post", title="Post", prices=[LabeledPrice(label="Stamp", amount=95)])
    await bot.answer_shipping_query(query.id, ok=True, shipping_options=[post])
    assert (await checkout.settled()).state == "choosing_shipping"
    with pytest.raises(TownError, match=r"the bot offers \['post'\]"):
        await checkout.ships_with("pigeon")
    await checkout.ships_with("post")
    last = await agreeing(bot, town)
    assert (last.total_amount, last.shipping_option_id) == (400 + 50 + 95, "post")
    message = (await asked(bot, town)).message
    assert message is not None
    assert message.successful_payment is not None
    info = message.successful_payment.order_info
    assert info is not None
    assert (info.name, info.email) == ("Ann", None)
    assert (await bot.get_my_star_balance()).amount == 0
    with pytest.raises(TelegramBadRequest, match="CHARGE_NOT_FOUND"):
        await bot.refund_star_payment(ann.id, message.successful_payment.telegram_payment_charge_id)


async def test_a_bot_that_does_not_ship_there_says_so(bot: Bot, town: Town, ann: Person) -> None:
    """A refused shipping query ends the checkout."""
    flexible = {"currency": "USD", "provider_token": PROVIDER, "need_shipping_address": True, "is_flexible": True}
    await invoice(bot, ann, **flexible, prices=stars(500))
    shown = await ann.chat_with(TOKEN).next_message()
    checkout = await ann.confirms(shown, order_info=OrderInfo(shipping_address=ADDRESS))
    query = (await asked(bot, town)).shipping_query
    assert query is not None
    with pytest.raises(TelegramBadRequest, match='parameter "shipping_options" is required'):
        await bot.answer_shipping_query(query.id, ok=True)
    await bot.answer_shipping_query(query.id, ok=False, error_message="Not to Bonn")
    seen: Checkout = checkout
    assert (await seen.settled()).reason == "Not to Bonn"


async def subscribed(bot: Bot, town: Town, ann: Person) -> str:
    link = await bot.create_invoice_link("Club", "Tea club", "club", "XTR", stars(300), subscription_period=MONTH_S)
    agreement = asyncio.create_task(agreeing(bot, town))
    paid = await ann.pays(link)
    await agreement
    return str(paid.charge_id)


async def test_a_subscription_renews_by_the_clock(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """Every thirty days another payment, until there are too few Stars."""
    started = clock.now()
    await subscribed(bot, town, ann)
    first = (await asked(bot, town)).message
    assert first is not None
    assert first.successful_payment is not None
    assert (first.successful_payment.is_recurring, first.successful_payment.is_first_recurring) == (True, True)
    assert first.successful_payment.subscription_expiration_date == started + MONTH_S
    await clock.advance(MONTH_S + 1)
    second = (await asked(bot, town)).message
    assert second is not None
    assert second.successful_payment is not None
    assert (second.successful_payment.is_recurring, second.successful_payment.is_first_recurring) == (True, None)
    assert second.successful_payment.subscription_expiration_date == started + 2 * MONTH_S
    assert await ann.stars() == 10_000 - 600
    await ann.gets_stars(-9_400)
    await clock.advance(MONTH_S)
    changed = (await asked(bot, town)).subscription
    assert changed is not None
    assert (changed.state, changed.invoice_payload, changed.user.id) == ("failed", "club", ann.id)
    assert [one.state for one in await ann.subscriptions()] == ["ended"]


async def test_a_subscription_is_canceled_and_resumed(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """By its person, which the bot is told, or by the bot, which its person cannot undo."""
    charge = await subscribed(bot, town, ann)
    await asked(bot, town)
    (subscription,) = await ann.subscriptions()
    await ann.cancels(subscription)
    changed = (await asked(bot, town)).subscription
    await ann.resumes(subscription)
    changed_again = (await asked(bot, town)).subscription
    assert changed is not None
    assert changed_again is not None
    assert (changed.state, changed_again.state) == ("canceled", "active")
    await bot.edit_user_star_subscription(ann.id, charge, is_canceled=True)
    with pytest.raises(TownError, match="only the bot can take it up again"):
        await ann.resumes(subscription)
    await bot.edit_user_star_subscription(ann.id, charge, is_canceled=False)
    await ann.resumes(subscription)
    await ann.cancels(subscription)
    await bot.get_updates(offset=-1)
    await clock.advance(MONTH_S + 1)
    await town.event("subscription.ended")
    assert await ann.stars() == 9_700


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"title": ""}, 'parameter "title" is required'),
        ({"payload": "x" * 129}, "INVOICE_PAYLOAD_INVALID"),
        ({"prices": []}, "there must be at least one price"),
        ({"prices": [{"label": "", "amount": 5}]}, "can't parse labeled price: LabeledPrice label must be non-empty"),
        ({"prices": "{"}, "can't parse prices JSON object"),
        ({"prices": {}}, "expected an Array of labeled prices"),
        ({"prices": [{"label": "a", "amount": 5}, {"label": "b", "amount": 5}]}, "STARS_INVOICE_INVALID"),
        ({"prices": [{"label": "a", "amount": 100_001}]}, "CURRENCY_TOTAL_AMOUNT_INVALID"),
        ({"currency": "XYZ"}, "CURRENCY_INVALID"),
        ({"currency": "USD"}, "PAYMENT_PROVIDER_INVALID"),
        ({"currency": "USD", "provider_token": PROVIDER, "prices": [{"label": "a", "amount": 99}]}, "CURRENCY_TOTAL"),
        ({"subscription_period": 1}, "SUBSCRIPTION_PERIOD_INVALID"),
        (
            {"subscription_period": MONTH_S, "prices": [{"label": "a", "amount": 10_001}]},
            "SUBSCRIPTION_AMOUNT_INVALID",
        ),
        (
            {"currency": "USD", "provider_token": PROVIDER, "max_tip_amount": 9, "suggested_tip_amounts": [3, 2]},
            "strictly increasing",
        ),
    ],
)
async def test_a_wrong_invoice_is_refused(town: Town, bot: Bot, changed: dict[str, object], text: str) -> None:
    """With the server's words."""
    arguments = {
        "title": "Tea",
        "description": "A cup",
        "payload": "tea",
        "currency": "XTR",
        "prices": [{"label": "Tea", "amount": 500}],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{town.url}/bot{TOKEN}/createInvoiceLink", json={**arguments, **changed}) as response,
    ):
        answer = await response.json()
    assert (response.status, text in answer["description"]) == (400, True), answer


async def test_pay_buttons_belong_to_invoices(bot: Bot, ann: Person) -> None:
    """The first button of an invoice pays; no other message has such a button."""
    pay = InlineKeyboardButton(text="Pay now", pay=True)
    other = InlineKeyboardButton(text="Later", callback_data="later")
    with pytest.raises(TelegramBadRequest, match="REPLY_MARKUP_BUY_EMPTY"):
        await invoice(bot, ann, reply_markup=InlineKeyboardMarkup(inline_keyboard=[[other], [pay]]))
    with pytest.raises(TelegramBadRequest, match="BUTTON_TYPE_INVALID"):
        await bot.send_message(ann.id, "hi", reply_markup=InlineKeyboardMarkup(inline_keyboard=[[pay]]))
    await invoice(bot, ann, reply_markup=InlineKeyboardMarkup(inline_keyboard=[[pay], [other]]))
    assert (await ann.chat_with(TOKEN).next_message()).button_texts == ["Pay now", "Later"]


async def test_money_outlives_a_snapshot(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """A restored town has its subscriptions, its Stars and its open checkouts, and time goes on in it."""
    await subscribed(bot, town, ann)
    link = await bot.create_invoice_link("Tea", "A cup", "tea-1", "XTR", stars(70))
    checkout = await ann.confirms(link)
    await town.snapshot()
    await ann.gets_stars(-5_000)
    await town.restore()
    assert await ann.stars() == 9_700
    await clock.advance(11)
    assert (await checkout.settled()).state == "expired"
    await clock.advance(MONTH_S)
    await town.event("subscription.renewed")
    assert await ann.stars() == 9_400
