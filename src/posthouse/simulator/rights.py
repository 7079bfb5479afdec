"""May this member do that here? The one place that answers, for bots and for people.

Every question is a pure function from the chat and the member to the `Refusal` that Telegram would give, or
None when nothing stands in the way. For a bot it is raised; a person's app would not offer the act, so there
it becomes the reason why the act is impossible.
"""

from __future__ import annotations

from posthouse.simulator.chats import Chat
from posthouse.simulator.members import Member
from posthouse.simulator.refusals import Refusal, bad_request, forbidden
from posthouse.simulator.topics import GENERAL_ID, Topic

SENDING: dict[str, tuple[str, str]] = {
    "text": ("can_send_messages", "text messages"),
    "contact": ("can_send_messages", "contacts"),
    "location": ("can_send_messages", "locations"),
    "venue": ("can_send_messages", "venues"),
    "invoice": ("can_send_messages", "invoices"),
    "audio": ("can_send_audios", "audios"),
    "document": ("can_send_documents", "documents"),
    "photo": ("can_send_photos", "photos"),
    "live_photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "video_note": ("can_send_video_notes", "video notes"),
    "voice": ("can_send_voice_notes", "voice notes"),
    "poll": ("can_send_polls", "polls"),
    "checklist": ("can_send_polls", "checklists"),
    "animation": ("can_send_other_messages", "animations"),
    "sticker": ("can_send_other_messages", "stickers"),
    "dice": ("can_send_other_messages", "dice"),
    "game": ("can_send_other_messages", "games"),
}
"""The permission that each kind of content needs, and what it is called in the refusal."""


def to_be_in(chat: Chat, member: Member) -> Refusal | None:
    """A bot may look at and act in a chat only from inside."""
    if chat.is_private or member.is_inside:
        return None
    if member.status == "kicked":
        return forbidden(f"bot was kicked from the {chat.kind} chat")
    return forbidden(f"bot is not a member of the {chat.kind} chat")


def to_send(chat: Chat, member: Member, content: str, thread_id: int) -> Refusal | None:
    """Sending content of that kind into that topic (0 for none)."""
    if chat.is_private:
        return None
    if chat.is_channel:
        allowed = member.has_right("can_post_messages")
        return None if allowed else bad_request("need administrator rights in the channel chat")
    permission, name = SENDING.get(content, SENDING["text"])
    if not member.is_allowed(permission, chat.permissions):
        return bad_request(f"not enough rights to send {name} to the chat")
    if not chat.is_forum:
        return None
    topic = chat.topic(thread_id or GENERAL_ID)
    if topic is not None and topic.closed and not _keeps(member, topic):
        return bad_request("TOPIC_CLOSED")
    return None


def to_delete(member: Member, *, is_own: bool) -> Refusal | None:
    """Deleting a message of a group or channel."""
    if is_own or member.has_right("can_delete_messages"):
        return None
    return bad_request("message can't be deleted")


def to_pin(chat: Chat, member: Member) -> Refusal | None:
    """Pinning and unpinning."""
    right = "can_edit_messages" if chat.is_channel else "can_pin_messages"
    if chat.is_private or member.is_allowed(right, chat.permissions):
        return None
    return bad_request("not enough rights to manage pinned messages in the chat")


def to_change(member: Member, text: str) -> Refusal | None:
    """Changing title, photo and the like; `text` names the act as the server does. Bots must be administrators."""
    if member.is_admin and member.has_right("can_change_info"):
        return None
    return bad_request(f"not enough rights to {text}")


def to_restrict(member: Member, target: Member) -> Refusal | None:
    """Restricting, banning and unbanning somebody in a supergroup or channel."""
    if target.user is member.user:
        return bad_request("can't restrict self")
    if target.status == "creator":
        return bad_request("can't remove chat owner")
    if not member.has_right("can_restrict_members"):
        return bad_request("not enough rights to restrict/unrestrict chat member")
    if target.status == "administrator" and not may_edit(member, target):
        return bad_request("user is an administrator of the chat")
    return None


def to_promote(member: Member, target: Member, rights: frozenset[str]) -> Refusal | None:
    """Giving somebody exactly these rights; none of them means demoting."""
    if target.user is member.user:
        return bad_request("can't promote self") if rights else None
    if target.status == "creator":
        return bad_request("can't remove chat owner")
    if not member.has_right("can_promote_members"):
        return bad_request("not enough rights")
    if target.status == "administrator" and not may_edit(member, target):
        return bad_request("CHAT_ADMIN_REQUIRED")
    if member.status != "creator" and not rights <= member.rights | {"is_anonymous"}:
        return bad_request("RIGHT_FORBIDDEN")
    return None


def to_invite(member: Member) -> Refusal | None:
    """Making links and answering requests to join."""
    if member.is_admin and member.has_right("can_invite_users"):
        return None
    return bad_request("not enough rights to manage chat invite link")


def to_keep_topics(member: Member, text: str, topic: Topic | None = None) -> Refusal | None:
    """Opening topics, and changing those of others; `text` names the act as the server does."""
    if member.has_right("can_manage_topics") or (topic is not None and _keeps(member, topic)):
        return None
    return bad_request(f"not enough rights to {text}")


def may_edit(editor: Member, member: Member) -> bool:
    """Whether this administrator may take an administrator's rights away: the owner, and whoever gave them."""
    if member.status != "administrator":
        return False
    if editor.status == "creator":
        return True
    return editor.has_right("can_promote_members") and member.promoted_by == editor.user.id


def _keeps(member: Member, topic: Topic) -> bool:
    return member.has_right("can_manage_topics") or topic.creator_id == member.user.id
