"""Reading what a call wants members or administrators to be allowed."""

from __future__ import annotations

from typing import Any

import msgspec

from posthouse.simulator.members import RIGHTS
from posthouse.simulator.methods.call import Call
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

_MEDIA = frozenset(
    {
        "can_send_audios",
        "can_send_documents",
        "can_send_photos",
        "can_send_videos",
        "can_send_video_notes",
        "can_send_voice_notes",
    }
)
_BARE = ("can_send_messages", "can_send_polls", "can_send_other_messages", "can_add_web_page_previews")
_SETTINGS = ("can_change_info", "can_invite_users", "can_pin_messages")
FOREVER_BELOW_S = 30
FOREVER_ABOVE_S = 366 * 86_400


def read_permissions(call: Call) -> frozenset[str]:
    """The permissions in `permissions`, with what some of them imply; or raise Refusal."""
    given = read_object(call, "permissions")

    def allows(name: str, otherwise: str) -> bool:
        return bool(given.get(name, given.get(otherwise)))

    allowed = {name for name in (*_BARE, *_SETTINGS, *_MEDIA) if given.get(name) is True}
    if given.get("can_send_media_messages") is True:  # what there was before each kind had a permission
        allowed |= _MEDIA
    if not call.parameters.flag("use_independent_chat_permissions"):
        if allowed & {"can_send_other_messages", "can_add_web_page_previews"}:
            allowed |= _MEDIA
        if allowed & (_MEDIA | {"can_send_polls"}):
            allowed.add("can_send_messages")
    if allows("can_react_to_messages", "can_send_messages"):
        allowed.add("can_react_to_messages")
    for name in ("can_edit_tag", "can_manage_topics"):
        if allows(name, "can_pin_messages"):
            allowed.add(name)
    return frozenset(allowed)


def read_rights(given: Parameters | dict[str, Any], kind: str) -> frozenset[str]:
    """The administrator's rights that are asked for, as far as chats of that kind have them; any implies managing."""
    if isinstance(given, Parameters):
        rights = {right for right in RIGHTS[kind] if given.flag(right)}
    else:
        rights = {right for right in RIGHTS[kind] if given.get(right) is True}
    return frozenset(rights | {"can_manage_chat"}) if rights else frozenset()


def read_until_date(call: Call) -> int:
    """When a ban or restriction ends; 0 is never, as are less than 30 seconds and more than 366 days."""
    until_date = call.parameters.integer("until_date", low=0)
    return until_date if FOREVER_BELOW_S <= until_date - call.now <= FOREVER_ABOVE_S else 0


def read_object(call: Call, name: str) -> dict[str, Any]:
    """A parameter that must be a JSON object, or raise Refusal."""
    try:
        given = call.parameters.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {name} JSON object") from None
    if given is None:
        raise bad_request(f'parameter "{name}" is required')
    if not isinstance(given, dict):
        raise bad_request(f"object expected as {name}")
    return given
