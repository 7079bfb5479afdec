"""Invite links, and the people who ask to come in."""

from __future__ import annotations

from posthouse.simulator import joining, rights
from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Chat
from posthouse.simulator.invites import MEMBERS_MAX, NAME_CHARACTERS_MAX, InviteLink, JoinRequest
from posthouse.simulator.methods.call import TRUE, Call, Methods, refuse
from posthouse.simulator.refusals import bad_request


def export_chat_invite_link(call: Call) -> str:
    chat = _chat_to_invite_to(call)
    _revoke_primary(call, chat)
    return joining.make_link(call.world.town, chat, call.bot, is_primary=True).url


def create_chat_invite_link(call: Call) -> Wire:
    chat = _chat_to_invite_to(call)
    terms = _terms(call)
    link = joining.make_link(call.world.town, chat, call.bot)
    _set_terms(link, terms)
    return link.wire()


def edit_chat_invite_link(call: Call) -> Wire:
    chat = _chat_to_invite_to(call)
    link = _link(call, chat)
    if link.is_primary:
        raise bad_request("CHAT_INVITE_PERMANENT")
    _set_terms(link, _terms(call))
    return link.wire()


def revoke_chat_invite_link(call: Call) -> Wire:
    chat = _chat_to_invite_to(call)
    link = _link(call, chat)
    link.is_revoked = True
    if link.is_primary:
        link.is_primary = False
        joining.make_link(call.world.town, chat, call.bot, is_primary=True)
    return link.wire()


def approve_chat_join_request(call: Call) -> bool:
    chat, request = _request(call)
    joining.approve(call.world.town, chat, call.bot, request)
    return TRUE


def decline_chat_join_request(call: Call) -> bool:
    chat, request = _request(call)
    joining.decline(call.world.town, chat, call.bot, request)
    return TRUE


def _chat_to_invite_to(call: Call) -> Chat:
    chat = call.chat_to_write()
    if chat.is_private:
        raise bad_request("can't invite members to a private chat")
    refuse(rights.to_invite(call.standing(chat)))
    return chat


def _terms(call: Call) -> dict[str, object]:
    """Name, end and limits of a link as the call says, or raise Refusal."""
    expire_date = call.parameters.integer("expire_date", low=0)
    member_limit = call.parameters.integer("member_limit", low=0)
    on_request = call.parameters.flag("creates_join_request")
    if on_request and member_limit:
        raise bad_request("member limit can't be specified for links requiring administrator approval")
    if expire_date and expire_date <= call.now:
        raise bad_request("EXPIRE_DATE_INVALID")
    if member_limit > MEMBERS_MAX:
        raise bad_request("USAGE_LIMIT_INVALID")
    return {
        "name": call.parameters.text("name").strip()[:NAME_CHARACTERS_MAX],
        "expire_date": expire_date,
        "member_limit": member_limit,
        "creates_join_request": on_request,
    }


def _set_terms(link: InviteLink, terms: dict[str, object]) -> None:
    for name, value in terms.items():
        setattr(link, name, value)


def _link(call: Call, chat: Chat) -> InviteLink:
    link = chat.links.get(call.parameters.text("invite_link").strip())
    if link is None or link.is_revoked:
        raise bad_request("INVITE_HASH_EXPIRED")
    if link.creator is not call.bot:
        raise bad_request("CHAT_ADMIN_REQUIRED")
    return link


def _revoke_primary(call: Call, chat: Chat) -> None:
    for link in chat.links.values():
        if link.creator is call.bot and link.is_primary:
            link.is_primary, link.is_revoked = False, True


def _request(call: Call) -> tuple[Chat, JoinRequest]:
    chat = call.chat_to_write()
    if not call.standing(chat).has_right("can_invite_users") or chat.is_private:
        raise bad_request("not enough rights to manage chat join requests")
    user = call.user(chat)
    if chat.member(user, call.now).is_inside:
        raise bad_request("USER_ALREADY_PARTICIPANT")
    request = chat.join_requests.get(user.id)
    if request is None:
        raise bad_request("HIDE_REQUESTER_MISSING")
    return chat, request


METHODS: Methods = {
    "exportChatInviteLink": export_chat_invite_link,
    "createChatInviteLink": create_chat_invite_link,
    "editChatInviteLink": edit_chat_invite_link,
    "revokeChatInviteLink": revoke_chat_invite_link,
    "approveChatJoinRequest": approve_chat_join_request,
    "declineChatJoinRequest": decline_chat_join_request,
}
