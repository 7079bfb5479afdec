"""Changing messages that are there. A change to nothing new is refused."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Message
from posthouse.simulator.formatting import Entity
from posthouse.simulator.keyboards import Markup, parse_markup
from posthouse.simulator.media import Media
from posthouse.simulator.mentions import name_people
from posthouse.simulator.methods.attachments import input_media, read_media
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.contents import read_json, read_preview, read_text
from posthouse.simulator.methods.messages import caption, note
from posthouse.simulator.refusals import bad_request

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)
WITHOUT_CAPTION = ("sticker", "video_note", "location", "venue", "contact", "dice", "poll", "game", "invoice")
"""Media that have no caption."""


def edit_message_text(call: Call) -> Wire | bool:
    text, entities = read_text(call.parameters, too_long="MESSAGE_TOO_LONG")
    preview = read_preview(call.parameters, entities)
    markup = inline_markup(call)
    message = message_to_edit(call)
    if message.media or message.is_service:
        raise bad_request("there is no text in the message to edit")
    return change(call, message, text, entities, markup, link_preview=preview)


def edit_message_caption(call: Call) -> Wire | bool:
    text, entities = caption(call.parameters)
    markup = inline_markup(call)
    message = message_to_edit(call)
    if message.media is None or message.media.kind in WITHOUT_CAPTION:
        raise bad_request("there is no caption in the message to edit")
    return change(call, message, text, entities, markup)


async def edit_message_media(call: Call) -> Wire | bool:
    item = read_json(call.parameters, "media")
    if item is None:
        raise bad_request('parameter "media" is required')
    text, entities = caption(input_media(call, item))
    media = await read_media(call, item)
    markup = inline_markup(call)
    message = message_to_edit(call)
    if message.media is not None and message.media.kind in WITHOUT_CAPTION:
        raise bad_request("message can't be edited")
    if message.album_id and message.media is not None and _row(message.media) != _row(media):
        raise bad_request("can't use the media of the specified type in the album")
    return change(call, message, text, entities, markup, media=media)


def _row(media: Media) -> str:
    """What may stand in for each other in an album: pictures and videos together, the others alone."""
    return "picture" if media.kind in ("photo", "video") else media.kind


def edit_message_reply_markup(call: Call) -> Wire | bool:
    markup = inline_markup(call)
    message = message_to_edit(call)
    return change(call, message, message.text, message.entities, markup, link_preview=message.link_preview)


def inline_markup(call: Call) -> Markup:
    """The inline keyboard of an edit; another kind of markup cannot be edited in."""
    markup = parse_markup(call.parameters)
    if markup.keyboard is not None:
        raise bad_request("inline keyboard expected")
    return markup


def message_to_edit(call: Call) -> Message:
    """The own message that the call names, or raise Refusal."""
    if call.parameters.has("inline_message_id") and not call.parameters.text("chat_id"):
        return inline_message(call)
    message = call.message(call.chat_to_write(), "edit")
    if message.sender is not call.bot or message.origin is not None or message.is_service:
        raise bad_request("message can't be edited")
    return message


def inline_message(call: Call) -> Message:
    """The message with buttons that came of an inline result of this bot, or raise Refusal."""
    message = call.world.town.inline.messages.get(call.parameters.text("inline_message_id"))
    if message is None or message.deleted or message.via_bot is not call.bot:
        raise bad_request("MESSAGE_ID_INVALID")
    return message


def edited(call: Call, message: Message) -> Wire | bool:
    """What an edit is answered with: of an inline message a bot is shown nothing."""
    return TRUE if message.inline_id else message.wire(call.bot)


def change(
    call: Call,
    message: Message,
    text: str,
    entities: list[Entity],
    markup: Markup,
    *,
    media: Media | None = None,
    link_preview: Wire | None = None,
) -> Wire | bool:
    """Let the message be this from now on and show it to the bot; or raise Refusal when nothing is new.

    Without `media` those that it has stay.
    """
    entities = name_people(call.world.town, entities)
    media = media or message.media
    before = (message.text, message.entities, message.inline, message.media, message.link_preview)
    if before == (text, entities, markup.inline, media, link_preview or {}):
        raise bad_request(NOT_MODIFIED)
    call.world.pace(call.bot, message.chat)
    message.text, message.entities, message.inline = text, entities, markup.inline
    message.media, message.link_preview = media, link_preview or {}
    message.edit_date = int(call.now)
    message.cursor = note(call.bot, message, "bot.edited", call)
    return edited(call, message)


METHODS: Methods = {
    "editMessageText": edit_message_text,
    "editMessageCaption": edit_message_caption,
    "editMessageMedia": edit_message_media,
    "editMessageReplyMarkup": edit_message_reply_markup,
}
