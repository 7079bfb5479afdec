"""What a bot says about itself."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.methods.call import Call, Methods


def get_me(call: Call) -> Wire:
    return {
        **call.bot.wire(),
        "can_join_groups": True,
        "can_read_all_group_messages": not call.bot.privacy,
        "supports_inline_queries": True,
        "supports_guest_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": "" in call.bot.apps,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
    }


METHODS: Methods = {"getMe": get_me}
