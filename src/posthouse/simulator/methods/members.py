"""Who is in a chat, and what a bot does to them."""

from __future__ import annotations

import unicodedata

from posthouse.simulator import membership, rights
from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.members import ALL_PERMISSIONS, Member
from posthouse.simulator.methods.call import TRUE, Call, Methods, refuse
from posthouse.simulator.methods.permissions import read_permissions, read_rights, read_until_date
from posthouse.simulator.refusals import bad_request

TITLE_CHARACTERS_MAX = 16


def get_chat_administrators(call: Call) -> list[Wire]:
    chat = call.chat()
    if chat.is_private:
        raise bad_request("there are no administrators in the private chat")
    every_bot = call.parameters.flag("return_bots")
    admins = [chat.members[user_id] for user_id in chat.admins]
    shown = [m for m in admins if every_bot or m.user is call.bot or not isinstance(m.user, Bot)]
    return [_shown(call, chat, m) for m in sorted(shown, key=lambda m: (m.status != "creator", m.user.id))]


def get_chat_member_count(call: Call) -> int:
    chat = call.chat()
    return len(chat.people) + len(chat.bots)


def get_chat_member(call: Call) -> Wire:
    chat = call.chat()
    user = call.user(chat)
    if chat.is_private and user not in (chat.bot, chat.person):
        raise bad_request("member not found")
    return _shown(call, chat, chat.member(user, call.now))


def ban_chat_member(call: Call) -> bool:
    until_date = read_until_date(call)
    chat = call.chat_to_write()
    if chat.is_private:
        raise bad_request("can't ban members in private chats")
    user = call.user(chat)
    _check_restricting(call, chat, user)
    if chat.kind == "group":  # a group without a list of the banned only puts people out
        membership.leave(call.world.town, chat, call.bot, user, status="kicked" if isinstance(user, Bot) else "left")
    else:
        membership.leave(call.world.town, chat, call.bot, user, status="kicked", until_date=until_date)
    return TRUE


def unban_chat_member(call: Call) -> bool:
    chat = call.chat_to_write()
    if chat.kind not in ("supergroup", "channel"):
        raise bad_request("method is available for supergroup and channel chats only")
    user = call.user(chat)
    before = chat.member(user, call.now)
    if before.status != "kicked" and call.parameters.flag("only_if_banned"):
        return TRUE
    _check_restricting(call, chat, user)
    if before.is_inside:
        membership.leave(call.world.town, chat, call.bot, user, status="kicked")
    membership.change(call.world.town, chat, call.bot, before.becomes("left"))
    return TRUE


def restrict_chat_member(call: Call) -> bool:
    permissions = read_permissions(call)
    until_date = read_until_date(call)
    chat = call.chat_to_write()
    if chat.kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    user = call.user(chat)
    _check_restricting(call, chat, user)
    before = chat.member(user, call.now)
    after = before.becomes("restricted", permissions=permissions, until_date=until_date, is_member=before.is_inside)
    if permissions >= ALL_PERMISSIONS:
        after = before.becomes("member" if before.is_inside else "left")
    membership.change(call.world.town, chat, call.bot, after)
    return TRUE


def promote_chat_member(call: Call) -> bool:
    chat = call.chat_to_write()
    if chat.kind not in ("supergroup", "channel"):
        raise bad_request("method is available for supergroup and channel chats only")
    user = call.user(chat)
    wanted = read_rights(call.parameters, chat.kind)
    if wanted and chat.is_channel and not call.parameters.has("can_restrict_members"):
        wanted |= {"can_restrict_members"}
    before = chat.member(user, call.now)
    refuse(rights.to_promote(call.standing(chat), before, wanted))
    if not before.is_inside:
        raise bad_request("USER_NOT_MUTUAL_CONTACT")
    after = before.becomes("member")
    if wanted:
        promoter = before.promoted_by or call.bot.id
        after = before.becomes("administrator", rights=wanted, promoted_by=promoter, custom_title=before.custom_title)
    membership.change(call.world.town, chat, call.bot, after)
    return TRUE


def set_chat_administrator_custom_title(call: Call) -> bool:
    title = _short_title(call, "custom_title", "CUSTOM_TITLE")
    chat = call.chat_to_write()
    if chat.kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    member = chat.member(call.user(chat), call.now)
    if member.status == "creator":
        raise bad_request("only the owner can edit their custom title")
    if member.status != "administrator":
        raise bad_request("user is not an administrator")
    if not rights.may_edit(call.standing(chat), member):
        raise bad_request("not enough rights to change custom title of the user")
    after = member.becomes("administrator", rights=member.rights, promoted_by=member.promoted_by, custom_title=title)
    membership.change(call.world.town, chat, call.bot, after)
    return TRUE


def set_chat_member_tag(call: Call) -> bool:
    tag = _short_title(call, "tag", "TAG")
    chat = call.chat_to_write()
    if chat.kind not in ("group", "supergroup"):
        raise bad_request("method is available only for groups and supergroups")
    member = chat.member(call.user(chat), call.now)
    if not call.standing(chat).has_right("can_manage_tags"):
        raise bad_request("CHAT_ADMIN_REQUIRED")
    if not member.is_inside or member.is_admin:
        raise bad_request("PARTICIPANT_ID_INVALID")
    membership.retag(call.world.town, chat, call.bot, member, tag)
    return TRUE


def ban_chat_sender_chat(call: Call) -> bool:
    chat, sender = _chat_and_sender(call)
    chat.banned_senders.add(sender.id)
    call.world.journal.record("sender.banned", bot_id=call.bot.id, chat=chat.ref, text=sender.title, sender=sender.id)
    return TRUE


def unban_chat_sender_chat(call: Call) -> bool:
    chat, sender = _chat_and_sender(call)
    chat.banned_senders.discard(sender.id)
    call.world.journal.record("sender.unbanned", bot_id=call.bot.id, chat=chat.ref, text=sender.title, sender=sender.id)
    return TRUE


def _chat_and_sender(call: Call) -> tuple[Chat, Chat]:
    chat = call.chat_to_write()
    if chat.kind not in ("supergroup", "channel"):
        raise bad_request("method is available for supergroup and channel chats only")
    sender = call.world.town.chats.get(str(call.parameters.integer("sender_chat_id")))
    if sender is None or not sender.is_channel:
        raise bad_request("PARTICIPANT_ID_INVALID")
    if not call.standing(chat).has_right("can_restrict_members"):
        raise bad_request("not enough rights to restrict/unrestrict chat member")
    return chat, sender


def _check_restricting(call: Call, chat: Chat, user: Bot | Person) -> None:
    member, target = call.standing(chat), chat.member(user, call.now)
    if chat.kind == "group" and not member.has_right("can_restrict_members"):
        raise bad_request("CHAT_ADMIN_REQUIRED")
    refuse(rights.to_restrict(member, target))


def _shown(call: Call, chat: Chat, member: Member) -> Wire:
    kind = "supergroup" if chat.is_private else chat.kind
    return member.wire(kind, can_be_edited=rights.may_edit(call.standing(chat), member))


def _short_title(call: Call, name: str, code: str) -> str:
    title = call.parameters.text(name).strip()[:TITLE_CHARACTERS_MAX]
    if any(unicodedata.category(character) == "So" for character in title):
        raise bad_request(f"{code}_EMOJI_NOT_ALLOWED")
    return title


METHODS: Methods = {
    "getChatAdministrators": get_chat_administrators,
    "getChatMemberCount": get_chat_member_count,
    "getChatMember": get_chat_member,
    "banChatMember": ban_chat_member,
    "unbanChatMember": unban_chat_member,
    "restrictChatMember": restrict_chat_member,
    "promoteChatMember": promote_chat_member,
    "setChatAdministratorCustomTitle": set_chat_administrator_custom_title,
    "setChatMemberTag": set_chat_member_tag,
    "banChatSenderChat": ban_chat_sender_chat,
    "unbanChatSenderChat": unban_chat_sender_chat,
}
