"""One call of every method that has behaviour, ready to be made.

To add a method, add a line to `EXAMPLES`: its parameters as a dict, or an async function of the stage that
prepares what the call needs and returns the parameters. `bytes` are uploaded as a file. A method with behaviour
and without an example fails `test_simulator_results.py`.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from simulator_stage import TOKEN

from posthouse.simulator import Clock, MovableClock, Simulator, joining
from posthouse.simulator.chats import Chat
from posthouse.simulator.members import RIGHTS
from posthouse.simulator.views import OrderInfo, ShippingAddress
from posthouse.testing.town import Group, Person, Town

Parameters = dict[str, Any]


@dataclass
class Stage:
    """Ann, who has started the bot, a group and a supergroup with both of them, and a way to call."""

    sim: Simulator
    town: Town
    http: aiohttp.ClientSession
    ann: Person
    bob: Person
    group: Group
    supergroup: Group
    results: list[tuple[str, Any]] = field(default_factory=list)
    """Everything that was called so far, with what came back."""

    async def call(self, method: str, **parameters: Any) -> Any:
        """The result of a call as the bot, or fail with the refusal."""
        url = f"{self.sim.url}/bot{TOKEN}/{method}"
        if any(isinstance(value, bytes) for value in parameters.values()):
            posting = self.http.post(url, data=_form(parameters))
        else:
            posting = self.http.post(url, json=parameters)
        async with posting as response:
            answer = await response.json()
        assert answer["ok"], (method, parameters, answer)
        self.results.append((method, answer["result"]))
        return answer["result"]

    async def sent(self, method: str = "sendMessage", **parameters: Any) -> int:
        """The number of a new message of the bot to Ann."""
        if method == "sendMessage":
            parameters.setdefault("text", "Hello")
        parameters.setdefault("chat_id", self.ann.id)
        return int((await self.call(method, **parameters))["message_id"])

    @property
    def club(self) -> Chat:
        """The supergroup from inside. The bot has every right there."""
        return self.sim.world.town.chats[str(self.supergroup.id)]

    def query_id(self, kind: str) -> str:
        """The newest query of that kind that the bot was asked."""
        return [query.id for query in self.sim.world.town.queries.values() if query.kind == kind][-1]

    async def updates(self) -> list[Parameters]:
        """All updates that wait for the bot."""
        queue = self.sim.world.town.bot_by_token(TOKEN).queue
        return [json.loads(update.body) for update in queue.read(0, 100)]

    def crown(self) -> None:
        """Give the bot every right in the supergroup."""
        member = self.club.members[int(TOKEN.partition(":")[0])]
        rights = frozenset(RIGHTS["supergroup"])
        self.club.seat(member.becomes("administrator", rights=rights, promoted_by=self.ann.id))


@asynccontextmanager
async def open_stage(clock: Clock | None = None) -> AsyncIterator[Stage]:
    """A stage in a town of its own, on a clock that stands still unless another is given."""
    async with Simulator(limits="off", clock=clock or MovableClock(), seed=1) as sim, set_up(sim) as stage:
        yield stage


@asynccontextmanager
async def set_up(sim: Simulator) -> AsyncIterator[Stage]:
    """A stage in this simulator, whose town begins anew."""
    sim.world.reset()
    async with Town(sim.url) as town, aiohttp.ClientSession() as http:
        ann = await town.person("Ann", last_name="Archer", username="ann")
        bob = await town.person("Bob")
        await town.bot(TOKEN)
        await ann.starts(TOKEN)
        group = await town.group("Friends", people=[ann, bob], bots=[TOKEN])
        supergroup = await town.group("Club", people=[ann, bob], bots=[TOKEN], kind="supergroup", admins=[TOKEN])
        stage = Stage(sim, town, http, ann, bob, group, supergroup)
        stage.crown()
        yield stage


def _form(parameters: Parameters) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in parameters.items():
        if isinstance(value, bytes):
            form.add_field(name, value, filename=f"{name}.bin")
        else:
            form.add_field(name, value if isinstance(value, str) else json.dumps(value))
    return form


def png(width: int = 320, height: int = 200) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\x00" + b"\x80" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def keyboard(text: str = "Press", data: str = "x") -> Parameters:
    return {"inline_keyboard": [[{"text": text, "callback_data": data}]]}


Example = Callable[[Stage], Awaitable[Parameters]]


def to_ann(**parameters: Any) -> Example:
    """A call whose `chat_id` is Ann's."""

    async def prepare(stage: Stage) -> Parameters:
        return {"chat_id": stage.ann.id, **parameters}

    return prepare


def to_supergroup(**parameters: Any) -> Example:
    async def prepare(stage: Stage) -> Parameters:
        return {"chat_id": stage.supergroup.id, **parameters}

    return prepare


def on_message(**parameters: Any) -> Example:
    """A call about a message that the bot has sent to Ann, with a button under it."""

    async def prepare(stage: Stage) -> Parameters:
        sent = await stage.sent(reply_markup=keyboard())
        return {"chat_id": stage.ann.id, "message_id": sent, **parameters}

    return prepare


async def a_pressed_button(stage: Stage) -> Parameters:
    await stage.sent(reply_markup=keyboard())
    press = await stage.ann.presses("Press", on=TOKEN)
    return {"callback_query_id": press.id, "text": "Thanks", "show_alert": True}


async def an_inline_query(stage: Stage) -> Parameters:
    asked = await stage.ann.asks_inline("cats", bot=TOKEN)
    content = {"message_text": "A cat"}
    result = {"type": "article", "id": "1", "title": "Cat", "input_message_content": content}
    return {"inline_query_id": asked.id, "results": [result]}


ARTICLE = {
    "type": "article",
    "id": "1",
    "title": "Tea",
    "input_message_content": {"message_text": "A cup of tea"},
}


async def an_open_app(stage: Stage) -> Parameters:
    button = {"text": "Shop", "web_app": {"url": "https://shop.example/"}}
    await stage.sent(reply_markup={"inline_keyboard": [[button]]})
    opened = await stage.ann.opens("Shop", on=TOKEN)
    assert opened.web_app is not None
    return {"web_app_query_id": opened.web_app.query_id, "result": ARTICLE}


async def a_bot_that_has_run(stage: Stage) -> Parameters:
    bot = stage.sim.world.town.bot_by_token(TOKEN)
    bot.started_at -= 3600
    return {}


async def a_prepared_message(stage: Stage) -> Parameters:
    return {"user_id": stage.ann.id, "result": ARTICLE, "allow_group_chats": True}


async def an_invoice(stage: Stage) -> Parameters:
    return {"chat_id": stage.ann.id, **INVOICE}


async def a_shipping_query(stage: Stage) -> Parameters:
    prices = {"currency": "EUR", "prices": [{"label": "Tea", "amount": 500}], "provider_token": "1:TEST:1"}
    flexible = {**prices, "is_flexible": True, "need_shipping_address": True}
    await stage.call("sendInvoice", **{**INVOICE, **flexible, "chat_id": stage.ann.id})
    (*_, invoice) = await stage.ann.chat_with(TOKEN).messages()
    address = ShippingAddress(country_code="DE", city="Bonn", street_line1="Markt 1", post_code="53111")
    await stage.ann.confirms(invoice, order_info=OrderInfo(shipping_address=address))
    option = {"id": "dhl", "title": "DHL", "prices": [{"label": "Parcel", "amount": 400}]}
    return {"shipping_query_id": stage.query_id("shipping_query"), "ok": True, "shipping_options": [option]}


async def a_payment(stage: Stage) -> Parameters:
    parameters = await a_checkout(stage)
    await stage.call("answerPreCheckoutQuery", **parameters)
    (paid,) = [u for u in await stage.updates() if "successful_payment" in u.get("message", {})]
    charge_id = paid["message"]["successful_payment"]["telegram_payment_charge_id"]
    return {"user_id": stage.ann.id, "telegram_payment_charge_id": charge_id}


async def a_subscription(stage: Stage) -> Parameters:
    await stage.call("createInvoiceLink", **INVOICE, subscription_period=2_592_000)
    link = stage.results[-1][1]
    await stage.ann.confirms(link)
    (asked,) = [u for u in await stage.updates() if "pre_checkout_query" in u]
    await stage.call("answerPreCheckoutQuery", pre_checkout_query_id=asked["pre_checkout_query"]["id"], ok=True)
    (paid,) = [u for u in await stage.updates() if "successful_payment" in u.get("message", {})]
    charge_id = paid["message"]["successful_payment"]["telegram_payment_charge_id"]
    return {"user_id": stage.ann.id, "telegram_payment_charge_id": charge_id, "is_canceled": True}


def on_link(**parameters: Any) -> Example:
    async def prepare(stage: Stage) -> Parameters:
        link = await stage.call("createChatInviteLink", chat_id=stage.supergroup.id, name="door")
        return {"chat_id": stage.supergroup.id, "invite_link": link["invite_link"], **parameters}

    return prepare


async def a_join_request(stage: Stage) -> Parameters:
    eve = await stage.town.person("Eve")
    town = stage.sim.world.town
    joining.request(town, stage.club, town.people[eve.id], None)
    return {"chat_id": stage.supergroup.id, "user_id": eve.id}


def on_bob(**parameters: Any) -> Example:
    """A call about Bob, a member of the supergroup."""

    async def prepare(stage: Stage) -> Parameters:
        return {"chat_id": stage.supergroup.id, "user_id": stage.bob.id, **parameters}

    return prepare


async def an_administrator(stage: Stage) -> Parameters:
    bob = {"chat_id": stage.supergroup.id, "user_id": stage.bob.id}
    await stage.call("promoteChatMember", **bob, can_pin_messages=True)
    return {**bob, "custom_title": "Warden"}


async def a_channel_that_speaks(stage: Stage) -> Parameters:
    channel = await stage.town.group("News", people=[stage.ann], bots=[], kind="channel")
    return {"chat_id": stage.supergroup.id, "sender_chat_id": channel.id}


async def a_chat_photo(stage: Stage) -> Parameters:
    await stage.call("setChatPhoto", chat_id=stage.supergroup.id, photo=png())
    return {"chat_id": stage.supergroup.id}


def about_ann(**parameters: Any) -> Example:
    async def prepare(stage: Stage) -> Parameters:
        return {"user_id": stage.ann.id, **parameters}

    return prepare


def in_forum(**parameters: Any) -> Example:
    """A call in the supergroup, which is a forum now."""

    async def prepare(stage: Stage) -> Parameters:
        stage.club.is_forum = True
        return {"chat_id": stage.supergroup.id, **parameters}

    return prepare


def on_topic(*before: str, **parameters: Any) -> Example:
    """A call about a topic, after the methods named first were called on it."""

    async def prepare(stage: Stage) -> Parameters:
        stage.club.is_forum = True
        topic = await stage.call("createForumTopic", chat_id=stage.supergroup.id, name="News")
        target = {"chat_id": stage.supergroup.id, "message_thread_id": topic["message_thread_id"]}
        for method in before:
            await stage.call(method, **target)
        return {**target, **parameters}

    return prepare


def after_general(*before: str) -> Example:
    """A call about the General topic, after the methods named."""

    async def prepare(stage: Stage) -> Parameters:
        stage.club.is_forum = True
        for method in before:
            await stage.call(method, chat_id=stage.supergroup.id)
        return {"chat_id": stage.supergroup.id}

    return prepare


async def an_album(stage: Stage) -> Parameters:
    media = [{"type": "photo", "media": f"attach://{name}", "caption": name} for name in ("one", "two")]
    return {"chat_id": stage.ann.id, "media": media, "one": png(), "two": png(64, 64)}


def on_live_location(**parameters: Any) -> Example:
    async def prepare(stage: Stage) -> Parameters:
        sent = await stage.sent("sendLocation", latitude=50.7, longitude=7.1, live_period=600)
        return {"chat_id": stage.ann.id, "message_id": sent, **parameters}

    return prepare


async def a_poll(stage: Stage) -> Parameters:
    sent = await stage.sent("sendPoll", question="Tea?", options=[{"text": "Yes"}, {"text": "No"}])
    return {"chat_id": stage.ann.id, "message_id": sent}


INVOICE: Parameters = {
    "title": "Tea",
    "description": "A cup of tea",
    "payload": "tea-1",
    "currency": "XTR",
    "prices": [{"label": "Tea", "amount": 5}],
}


async def a_checkout(stage: Stage) -> Parameters:
    checkout = await stage.ann.checks_out("tea", bot=TOKEN, amount=5)
    return {"pre_checkout_query_id": checkout.id, "ok": True}


async def an_uploaded_file(stage: Stage) -> Parameters:
    sent = await stage.call("sendDocument", chat_id=stage.ann.id, document=b"contents")
    return {"file_id": sent["document"]["file_id"]}


async def a_photo_with_caption(stage: Stage) -> Parameters:
    sent = await stage.sent("sendPhoto", photo=png(), caption="Old")
    return {"chat_id": stage.ann.id, "message_id": sent, "caption": "<b>New</b>", "parse_mode": "HTML"}


async def another_photo(stage: Stage) -> Parameters:
    sent = await stage.sent("sendPhoto", photo=png(), caption="Old")
    media = {"type": "photo", "media": "attach://new", "caption": "New"}
    return {"chat_id": stage.ann.id, "message_id": sent, "media": media, "new": png(30, 20)}


def elsewhere(*, several: bool = False) -> Example:
    """A call that takes messages from Ann's chat to the group."""

    async def prepare(stage: Stage) -> Parameters:
        sent = await stage.sent(text="*Look*", parse_mode="MarkdownV2")
        named = {"message_ids": [sent, await stage.sent()]} if several else {"message_id": sent}
        return {"chat_id": stage.group.id, "from_chat_id": stage.ann.id, **named}

    return prepare


async def several_messages(stage: Stage) -> Parameters:
    return {"chat_id": stage.ann.id, "message_ids": [await stage.sent(), await stage.sent()]}


async def a_pinned_message(stage: Stage) -> Parameters:
    sent = await stage.sent(chat_id=stage.supergroup.id)
    await stage.call("pinChatMessage", chat_id=stage.supergroup.id, message_id=sent)
    return {"chat_id": stage.supergroup.id}


SET_NAME = "tea_by_sim4242bot"


def sticker(part: str = "one", emoji: str = "🍵") -> Parameters:
    return {"sticker": f"attach://{part}", "format": "static", "emoji_list": [emoji]}


async def a_new_set(stage: Stage, kind: str = "regular") -> Parameters:
    side = {"width": 100, "height": 100} if kind == "custom_emoji" else {"width": 512, "height": 256}
    stickers = {"stickers": [sticker()], "one": png(**side), "sticker_type": kind}
    return {"user_id": stage.ann.id, "name": SET_NAME, "title": "Tea", **stickers}


def on_set(kind: str = "regular", **parameters: Any) -> Example:
    """A call about a set of one sticker."""

    async def prepare(stage: Stage) -> Parameters:
        await stage.call("createNewStickerSet", **await a_new_set(stage, kind))
        return {"name": SET_NAME, "user_id": stage.ann.id, **parameters}

    return prepare


def on_sticker(kind: str = "regular", **parameters: Any) -> Example:
    """A call about the sticker of such a set."""

    async def prepare(stage: Stage) -> Parameters:
        await stage.call("createNewStickerSet", **await a_new_set(stage, kind))
        (only,) = (await stage.call("getStickerSet", name=SET_NAME))["stickers"]
        return {"sticker": only["file_id"], **parameters}

    return prepare


async def another_sticker(stage: Stage) -> Parameters:
    target = await on_sticker()(stage)
    new = {"sticker": sticker("two", "🫖"), "two": png(512, 512)}
    return {"user_id": stage.ann.id, "name": SET_NAME, "old_sticker": target["sticker"], **new}


async def a_custom_emoji(stage: Stage) -> Parameters:
    await stage.call("createNewStickerSet", **await a_new_set(stage, "custom_emoji"))
    (only,) = (await stage.call("getStickerSet", name=SET_NAME))["stickers"]
    return {"custom_emoji_ids": [only["custom_emoji_id"]]}


QUIZ: Parameters = {
    "question": "2 + 2?",
    "options": [{"text": "3"}, {"text": "4", "media": {"type": "photo", "media": "attach://four"}}],
    "four": png(),
    "type": "quiz",
    "correct_option_ids": [1],
    "explanation": "Count <i>again</i>",
    "explanation_parse_mode": "HTML",
    "open_period": 60,
    "description": "Sums",
}

EXAMPLES: dict[str, Parameters | Example] = {
    # Updates.
    "deleteWebhook": {"drop_pending_updates": True},
    "getUpdates": {"timeout": 0},
    "getWebhookInfo": {},
    "setWebhook": {"url": "http://127.0.0.1:9/hook", "secret_token": "s3cret", "allowed_updates": ["message"]},
    # The bot itself.
    "getMe": {},
    "getMyCommands": {},
    "setMyCommands": {"commands": [{"command": "start", "description": "Begin"}]},
    # Messages.
    "deleteMessage": on_message(),
    "editMessageReplyMarkup": on_message(reply_markup=keyboard("Other", "y")),
    "editMessageText": on_message(text="Changed"),
    "sendChatAction": to_ann(action="typing"),
    "sendMessage": to_ann(text="<b>Hi</b> https://example.org", parse_mode="HTML", reply_markup=keyboard()),
    # Media and files.
    "getFile": an_uploaded_file,
    "sendAnimation": to_ann(animation=b"GIF89a", caption="moving"),
    "sendAudio": to_ann(audio=b"ID3", title="Song", performer="Singer", duration=3),
    "sendDocument": to_ann(document=b"text", caption="_read_", parse_mode="MarkdownV2"),
    "sendPhoto": to_ann(photo=png(), caption="grey"),
    "sendVideo": to_ann(video=b"video", duration=2, width=64, height=48),
    "sendVideoNote": to_ann(video_note=b"video", length=240),
    "sendVoice": to_ann(voice=b"OggS", duration=1),
    # Albums, places, cards, polls, dice.
    "editMessageLiveLocation": on_live_location(latitude=50.8, longitude=7.2, heading=90),
    "sendContact": to_ann(phone_number="+4912345", first_name="Bob"),
    "sendDice": to_ann(emoji="🎯"),
    "sendLocation": to_ann(latitude=50.7, longitude=7.1, horizontal_accuracy=12.5),
    "sendMediaGroup": an_album,
    "sendPoll": to_ann(**QUIZ),
    "sendVenue": to_ann(latitude=50.7, longitude=7.1, title="Cafe", address="Market 1"),
    "stopMessageLiveLocation": on_live_location(),
    "stopPoll": a_poll,
    "sendPaidMedia": to_ann(star_count=5, media=[{"type": "photo", "media": "attach://a"}], a=png(), payload="p"),
    # Stickers.
    "addStickerToSet": on_set(sticker=sticker("two", "🫖"), two=png(512, 512)),
    "createNewStickerSet": a_new_set,
    "deleteStickerFromSet": on_sticker(),
    "deleteStickerSet": on_set(),
    "getCustomEmojiStickers": a_custom_emoji,
    "getStickerSet": on_set(),
    "replaceStickerInSet": another_sticker,
    "sendSticker": to_ann(sticker=png(512, 512), emoji="🍵"),
    "setCustomEmojiStickerSetThumbnail": on_set("custom_emoji"),
    "setStickerEmojiList": on_sticker(emoji_list=["🫖", "🍵"]),
    "setStickerKeywords": on_sticker(keywords=["tea"]),
    "setStickerMaskPosition": on_sticker(
        "mask", mask_position={"point": "eyes", "x_shift": 0.5, "y_shift": 0, "scale": 1}
    ),
    "setStickerPositionInSet": on_sticker(position=0),
    "setStickerSetThumbnail": on_set(format="static", thumbnail=png(100, 100)),
    "setStickerSetTitle": on_set(title="More tea"),
    "uploadStickerFile": about_ann(sticker=png(512, 512), sticker_format="static"),
    # Queries.
    "answerCallbackQuery": a_pressed_button,
    "answerInlineQuery": an_inline_query,
    "answerPreCheckoutQuery": a_checkout,
    # Payments.
    "answerShippingQuery": a_shipping_query,
    "createInvoiceLink": INVOICE,
    "editUserStarSubscription": a_subscription,
    "getMyStarBalance": {},
    "getStarTransactions": {"offset": 0, "limit": 10},
    "refundStarPayment": a_payment,
    "answerWebAppQuery": an_open_app,
    "close": a_bot_that_has_run,
    "logOut": {},
    "savePreparedInlineMessage": a_prepared_message,
    "sendInvoice": an_invoice,
    # Chats and members.
    "approveChatJoinRequest": a_join_request,
    "banChatMember": on_bob(revoke_messages=True),
    "banChatSenderChat": a_channel_that_speaks,
    "createChatInviteLink": to_supergroup(name="door", member_limit=3),
    "declineChatJoinRequest": a_join_request,
    "deleteChatPhoto": a_chat_photo,
    "deleteChatStickerSet": to_supergroup(),
    "editChatInviteLink": on_link(name="gate"),
    "exportChatInviteLink": to_supergroup(),
    "getChat": to_supergroup(),
    "getChatAdministrators": to_supergroup(),
    "getChatMember": on_bob(),
    "getUserProfilePhotos": about_ann(),
    "getChatMemberCount": to_supergroup(),
    "leaveChat": to_supergroup(),
    "promoteChatMember": on_bob(can_pin_messages=True),
    "restrictChatMember": on_bob(permissions={"can_send_messages": False}),
    "revokeChatInviteLink": on_link(),
    "setChatAdministratorCustomTitle": an_administrator,
    "setChatDescription": to_supergroup(description="All about tea"),
    "setChatMemberTag": on_bob(tag="guest"),
    "setChatPermissions": to_supergroup(permissions={"can_send_messages": True}),
    "setChatPhoto": to_supergroup(photo=png()),
    "setChatStickerSet": to_supergroup(sticker_set_name="tea_by_sim4242bot"),
    "setChatTitle": to_supergroup(title="Tea club"),
    "unbanChatMember": on_bob(only_if_banned=True),
    "unbanChatSenderChat": a_channel_that_speaks,
    # What happens to a message.
    "copyMessage": elsewhere(),
    "copyMessages": elsewhere(several=True),
    "deleteMessages": several_messages,
    "editMessageCaption": a_photo_with_caption,
    "editMessageMedia": another_photo,
    "forwardMessage": elsewhere(),
    "forwardMessages": elsewhere(several=True),
    "pinChatMessage": on_message(),
    "sendMessageDraft": to_ann(draft_id=7, text="Let me th", can_stop=True),
    "setMessageReaction": on_message(reaction=[{"type": "emoji", "emoji": "👍"}]),
    "unpinAllChatMessages": a_pinned_message,
    "unpinChatMessage": a_pinned_message,
    # Topics.
    "closeForumTopic": on_topic(),
    "closeGeneralForumTopic": in_forum(),
    "createForumTopic": in_forum(name="Offers", icon_color=7322096),
    "deleteForumTopic": on_topic(),
    "editForumTopic": on_topic(name="Old news"),
    "editGeneralForumTopic": in_forum(name="Everything"),
    "hideGeneralForumTopic": in_forum(),
    "reopenForumTopic": on_topic("closeForumTopic"),
    "reopenGeneralForumTopic": after_general("closeGeneralForumTopic"),
    "unpinAllForumTopicMessages": on_topic(),
    "unpinAllGeneralForumTopicMessages": in_forum(),
    "unhideGeneralForumTopic": after_general("hideGeneralForumTopic"),
    # What the bot shows of itself.
    "deleteMyCommands": {},
    "getChatMenuButton": {},
    "getMyDefaultAdministratorRights": {},
    "getMyDescription": {},
    "getMyName": {"language_code": "de"},
    "getMyShortDescription": {},
    "setChatMenuButton": {"menu_button": {"type": "commands"}},
    "setMyDefaultAdministratorRights": {"for_channels": True},
    "setMyDescription": {"description": "A bot"},
    "setMyName": {"name": "Robot"},
    "setMyShortDescription": {"short_description": "Bot"},
}
