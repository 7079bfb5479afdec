"""What a bot learns of a chat, and changes about it."""

from __future__ import annotations

from typing import Any

from posthouse.simulator import membership, rights
from posthouse.simulator.bots import Wire
from posthouse.simulator.chat_photos import NewChatPhoto, wire_chat_photo
from posthouse.simulator.chats import Chat
from posthouse.simulator.hearing import post_service
from posthouse.simulator.members import PERMISSIONS
from posthouse.simulator.methods.attachments import read_file
from posthouse.simulator.methods.call import TRUE, Call, Methods, refuse
from posthouse.simulator.methods.permissions import read_permissions
from posthouse.simulator.refusals import bad_request

TITLE_CHARACTERS_MAX = 128
DESCRIPTION_CHARACTERS_MAX = 255
ACCENT_COLORS = 7
REACTIONS_MAX = 11
_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")


def get_chat(call: Call) -> Wire:
    chat = call.chat()
    shown: Wire = {
        **chat.wire(),
        "accent_color_id": abs(chat.id) % ACCENT_COLORS,
        "max_reaction_count": REACTIONS_MAX,
        "accepted_gift_types": dict.fromkeys(_GIFTS, True),
    }
    if chat.username:
        shown["active_usernames"] = [chat.username]
    if chat.photo is not None:
        shown["photo"] = wire_chat_photo(chat.photo, call.bot)
    pinned = chat.messages.get(chat.pinned[-1]) if chat.pinned else None
    if pinned is not None and not pinned.deleted:
        shown["pinned_message"] = pinned.wire(call.bot, depth=0)
    shown.update(_private_details(chat) if chat.is_private else _shared_details(call, chat))
    return shown


def leave_chat(call: Call) -> bool:
    chat = call.chat_to_write()
    if chat.is_private:
        raise bad_request("chat member status can't be changed in private chats")
    membership.leave(call.world.town, chat, call.bot, call.bot)
    return TRUE


def set_chat_title(call: Call) -> bool:
    title = call.parameters.text("title").strip()[:TITLE_CHARACTERS_MAX]
    chat = _chat_to_change(call, "title", "change chat title")
    if not title:
        raise bad_request("title must be non-empty")
    if title != chat.title:
        chat.title = title
        post_service(call.world.town, chat, call.bot, {"new_chat_title": title})
    return TRUE


def set_chat_description(call: Call) -> bool:
    description = call.parameters.text("description").strip()[:DESCRIPTION_CHARACTERS_MAX]
    chat = _chat_to_change(call, "description", "set chat description")
    if description == chat.description:
        raise bad_request("chat description is not modified")
    chat.description = description
    _note(call, chat, "description")
    return TRUE


async def set_chat_photo(call: Call) -> bool:
    if call.parameters.upload("photo") is None:
        raise bad_request("photo must be uploaded as an InputFile")
    photo = (await read_file(call, "photo")).file
    chat = _chat_to_change(call, "photo", "change chat photo")
    chat.photo = photo
    post_service(call.world.town, chat, call.bot, {}, media=NewChatPhoto(photo))
    return TRUE


def delete_chat_photo(call: Call) -> bool:
    chat = _chat_to_change(call, "photo", "change chat photo")
    if chat.photo is None:
        raise bad_request("CHAT_NOT_MODIFIED")
    chat.photo = None
    post_service(call.world.town, chat, call.bot, {"delete_chat_photo": True})
    return TRUE


def set_chat_permissions(call: Call) -> bool:
    permissions = read_permissions(call)
    chat = call.chat_to_write()
    if chat.is_private or chat.is_channel:
        raise bad_request(f"can't change {chat.kind} chat permissions")
    if not call.standing(chat).has_right("can_restrict_members"):
        raise bad_request("not enough rights to change chat permissions")
    chat.permissions = permissions
    _note(call, chat, "permissions")
    return TRUE


def set_chat_sticker_set(call: Call) -> bool:
    return _change_sticker_set(call, call.parameters.text("sticker_set_name"))


def delete_chat_sticker_set(call: Call) -> bool:
    return _change_sticker_set(call, "")


def _change_sticker_set(call: Call, name: str) -> bool:
    chat = call.chat_to_write()
    if chat.kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    refuse(rights.to_change(call.standing(chat), "change supergroup sticker set"))
    chat.sticker_set_name = name
    _note(call, chat, "sticker_set_name")
    return TRUE


def _chat_to_change(call: Call, what: str, act: str) -> Chat:
    chat = call.chat_to_write()
    if chat.is_private:
        raise bad_request(f"can't change private chat {what}")
    refuse(rights.to_change(call.standing(chat), act))
    return chat


def _note(call: Call, chat: Chat, field: str) -> None:
    call.world.journal.record("chat.changed", bot_id=call.bot.id, chat=chat.ref, text=field)


def _private_details(chat: Chat) -> Wire:
    return {"bio": chat.person.bio} if chat.person.bio else {}


def _shared_details(call: Call, chat: Chat) -> Wire:
    """What a group, supergroup or channel shows beyond its name."""
    shown: Wire = {}
    member = call.standing(chat)
    primary = next((k for k in chat.links.values() if k.creator is call.bot and k.is_primary), None)
    if primary is not None:
        shown["invite_link"] = primary.url
    _add(shown, description=chat.description, message_auto_delete_time=chat.auto_delete_s)
    if not chat.is_channel:
        shown["permissions"] = {name: name in chat.permissions for name in PERMISSIONS}
    if chat.linked is not None:
        shown["linked_chat_id"] = chat.linked.id
    if chat.kind == "supergroup":
        _add(
            shown,
            slow_mode_delay=chat.slow_mode_s,
            sticker_set_name=chat.sticker_set_name,
            join_by_request=chat.join_by_request,
            can_set_sticker_set=member.has_right("can_change_info"),
        )
    if chat.is_channel:
        shown["can_send_paid_media"] = True
    if chat.kind != "group" and member.is_admin:
        shown["has_visible_history"] = True
    _add(shown, has_protected_content=chat.protected)
    return shown


def _add(shown: Wire, **fields: Any) -> None:
    """Telegram leaves out what is empty, zero or false."""
    shown.update({name: value for name, value in fields.items() if value})


METHODS: Methods = {
    "getChat": get_chat,
    "leaveChat": leave_chat,
    "setChatTitle": set_chat_title,
    "setChatDescription": set_chat_description,
    "setChatPhoto": set_chat_photo,
    "deleteChatPhoto": delete_chat_photo,
    "setChatPermissions": set_chat_permissions,
    "setChatStickerSet": set_chat_sticker_set,
    "deleteChatStickerSet": delete_chat_sticker_set,
}
