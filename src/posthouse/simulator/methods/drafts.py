"""Messages that a bot is still writing, shown while they grow.

What the server says to a draft outside a private chat, or without an id, is not public; the words are ours.
"""

from __future__ import annotations

from posthouse.simulator.mentions import name_people
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.contents import read_draft
from posthouse.simulator.moments import DRAFT_S, Draft, drafts_now
from posthouse.simulator.refusals import bad_request


def send_message_draft(call: Call) -> bool:
    """Show a draft for half a minute. Once a person has stopped it, it does not come back."""
    parameters = call.parameters
    text, entities = read_draft(parameters)
    draft_id = parameters.integer("draft_id")
    if draft_id == 0:
        raise bad_request("draft identifier must be non-zero")
    chat = call.chat_to_write()
    if not chat.is_private:
        raise bad_request("message drafts can be sent to private chats only")
    thread_id = parameters.integer("message_thread_id")
    draft = Draft(
        call.bot.id,
        draft_id,
        call.now + DRAFT_S,
        thread_id,
        text,
        name_people(call.world.town, entities),
        can_stop=parameters.flag("can_stop"),
        keep_on_stop=parameters.flag("keep_on_stop"),
    )
    drafts = drafts_now(chat, call.now)
    current = next((d for d in drafts if (d.bot_id, d.thread_id) == (call.bot.id, thread_id)), None)
    if current is not None and current.id == draft_id:
        if current.is_stopped:
            return TRUE
        draft.changes = current.changes + 1
    chat.drafts = [*(d for d in drafts if d is not current), draft]
    call.world.journal.record("bot.drafted", bot_id=call.bot.id, chat=chat.ref, text=text, draft_id=draft_id)
    return TRUE


METHODS: Methods = {"sendMessageDraft": send_message_draft}
