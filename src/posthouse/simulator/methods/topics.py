"""The topics of a forum: opening, renaming, closing, deleting, and the General one."""

from __future__ import annotations

from posthouse.simulator import rights
from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Chat
from posthouse.simulator.forum import change_topic, delete_topic, hide_general, open_topic, set_closed
from posthouse.simulator.methods.call import TRUE, Call, Methods, refuse
from posthouse.simulator.refusals import Refusal, bad_request
from posthouse.simulator.topics import GENERAL_ID, ICON_COLORS, NAME_CHARACTERS_MAX, Topic


def create_forum_topic(call: Call) -> Wire:
    chat = _forum(call)
    refuse(rights.to_keep_topics(call.standing(chat), "create a topic"))
    color = call.parameters.integer("icon_color", default=ICON_COLORS[0])
    if color not in ICON_COLORS:
        raise bad_request("invalid icon color specified")
    icon = call.parameters.text("icon_custom_emoji_id")
    return open_topic(call.world.town, chat, call.bot, _name(call), color, icon).wire()


def edit_forum_topic(call: Call) -> bool:
    chat = _forum(call)
    topic = _topic(call, chat)
    refuse(rights.to_keep_topics(call.standing(chat), "edit the topic", topic))
    name = call.parameters.text("name").strip()[:NAME_CHARACTERS_MAX] or topic.name
    icon = topic.icon_custom_emoji_id
    if call.parameters.has("icon_custom_emoji_id"):
        icon = call.parameters.text("icon_custom_emoji_id")
    return _done(change_topic(call.world.town, chat, call.bot, topic, name, icon))


def close_forum_topic(call: Call) -> bool:
    return _set_closed(call, general=False, closed=True)


def reopen_forum_topic(call: Call) -> bool:
    return _set_closed(call, general=False, closed=False)


def delete_forum_topic(call: Call) -> bool:
    chat = _forum(call)
    topic = _topic(call, chat)
    if not call.standing(chat).has_right("can_delete_messages"):
        raise bad_request("not enough rights to delete the topic")
    delete_topic(call.world.town, chat, call.bot, topic)
    return TRUE


def edit_general_forum_topic(call: Call) -> bool:
    chat = _forum(call)
    refuse(rights.to_keep_topics(call.standing(chat), "edit the topic"))
    topic = _general(chat)
    return _done(change_topic(call.world.town, chat, call.bot, topic, _name(call), topic.icon_custom_emoji_id))


def close_general_forum_topic(call: Call) -> bool:
    return _set_closed(call, general=True, closed=True)


def reopen_general_forum_topic(call: Call) -> bool:
    return _set_closed(call, general=True, closed=False)


def hide_general_forum_topic(call: Call) -> bool:
    return _set_hidden(call, hidden=True)


def unhide_general_forum_topic(call: Call) -> bool:
    return _set_hidden(call, hidden=False)


def unpin_all_forum_topic_messages(call: Call) -> bool:
    chat = _forum(call)
    return _unpin_all(call, chat, _topic(call, chat).id)


def unpin_all_general_forum_topic_messages(call: Call) -> bool:
    return _unpin_all(call, _forum(call), 0)


def _unpin_all(call: Call, chat: Chat, thread_id: int) -> bool:
    refuse(rights.to_pin(chat, call.standing(chat)))
    kept = [n for n in chat.pinned if n in chat.messages and chat.messages[n].thread_id != thread_id]
    if kept != chat.pinned:
        chat.pinned = kept
        call.world.journal.record("bot.unpinned", bot_id=call.bot.id, chat=chat.ref)
    return TRUE


def _set_closed(call: Call, *, general: bool, closed: bool) -> bool:
    chat = _forum(call)
    topic = _general(chat) if general else _topic(call, chat)
    refuse(rights.to_keep_topics(call.standing(chat), "close or open the topic", None if general else topic))
    return _done(set_closed(call.world.town, chat, call.bot, topic, closed))


def _set_hidden(call: Call, *, hidden: bool) -> bool:
    chat = _forum(call)
    refuse(rights.to_keep_topics(call.standing(chat), "close or open the topic"))
    return _done(hide_general(call.world.town, chat, call.bot, _general(chat), hidden))


def _done(changed: bool) -> bool:
    if not changed:
        raise bad_request("TOPIC_NOT_MODIFIED")
    return TRUE


def _forum(call: Call) -> Chat:
    chat = call.chat_to_write()
    if not chat.is_forum:
        raise bad_request("the chat is not a forum")
    return chat


def _topic(call: Call, chat: Chat) -> Topic:
    topic = chat.topic(call.parameters.integer("message_thread_id"))
    if topic is None or topic.id == GENERAL_ID:
        raise _unknown()
    return topic


def _general(chat: Chat) -> Topic:
    topic = chat.topic(GENERAL_ID)
    if topic is None:
        raise _unknown()
    return topic


def _unknown() -> Refusal:
    return bad_request("TOPIC_ID_INVALID")


def _name(call: Call) -> str:
    name = call.parameters.text("name").strip()[:NAME_CHARACTERS_MAX]
    if not name:
        raise bad_request("title must be non-empty")
    return name


METHODS: Methods = {
    "createForumTopic": create_forum_topic,
    "editForumTopic": edit_forum_topic,
    "closeForumTopic": close_forum_topic,
    "reopenForumTopic": reopen_forum_topic,
    "deleteForumTopic": delete_forum_topic,
    "editGeneralForumTopic": edit_general_forum_topic,
    "closeGeneralForumTopic": close_general_forum_topic,
    "reopenGeneralForumTopic": reopen_general_forum_topic,
    "hideGeneralForumTopic": hide_general_forum_topic,
    "unhideGeneralForumTopic": unhide_general_forum_topic,
    "unpinAllForumTopicMessages": unpin_all_forum_topic_messages,
    "unpinAllGeneralForumTopicMessages": unpin_all_general_forum_topic_messages,
}
