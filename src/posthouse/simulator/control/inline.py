"""Routes: inline mode."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.bots import Bot
from posthouse.simulator.control.finder import Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.methods.call import Call
from posthouse.simulator.methods.inline_results import media_of
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.people import inline
from posthouse.simulator.town import Query


def routes_of_inline() -> APIRouter:
    routes = APIRouter(tags=["inline"])
    find = Finder()

    @routes.post("/inline_queries")
    async def ask_inline(asking: views.InlineAsking) -> views.Query:
        """Type `@bot text`; the answer is at `/queries/{id}`."""
        chat = None if asking.chat is None else find.chat(asking.chat, opened=True)
        query = inline.ask_inline(
            here().town, find.person(asking.person), find.bot(asking.bot), asking.text, chat=chat, offset=asking.offset
        )
        return views.Query.model_validate(query)

    @routes.post("/inline_queries/{query_id}/choice")
    async def choose(query_id: str, choice: views.InlineChoice) -> views.Message:
        """Send one of the results: into the given chat, else into the one where the bot was asked."""
        query = _query(query_id)
        result = inline.result_of(here().town, query, choice.result)
        chat = query.chat if choice.chat is None else find.chat(choice.chat, opened=True)
        if chat is None:
            raise HTTPException(422, "say into which chat the result is sent")
        reply_to = None if choice.reply_to is None else find.message(chat, choice.reply_to)
        media = await media_of(_call(query.bot), result)
        return views.of_message(inline.choose(here().town, query, result, media, chat, reply_to=reply_to))

    @routes.post("/prepared_messages/{prepared_id}")
    async def share(prepared_id: str, sharing: views.Sharing) -> views.Message:
        """Send a message that a bot prepared with savePreparedInlineMessage."""
        prepared = here().town.inline.prepared.get(prepared_id)
        if prepared is None:
            raise HTTPException(404, f"no prepared message {prepared_id!r}")
        media = await media_of(_call(prepared.bot), prepared.result)
        chat = find.chat(sharing.chat, opened=True)
        return views.of_message(inline.share(here().town, prepared, media, chat))

    def _query(query_id: str) -> Query:
        query = here().town.queries.get(query_id)
        if query is None or query.kind != "inline_query":
            raise HTTPException(404, f"no inline query {query_id}")
        return query

    def _call(bot: Bot) -> Call:
        """What reading a file needs to know."""
        return Call(here(), bot, "answerInlineQuery", Parameters({}))

    return routes
