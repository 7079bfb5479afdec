"""Routes: people, groups, and what people ask bots."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.control.finder import Finder, WithinS
from posthouse.simulator.control.site import here
from posthouse.simulator.people import groups


def routes_of_people() -> APIRouter:
    routes = APIRouter(tags=["people"])
    find = Finder()

    @routes.post("/people")
    async def add_person(new: views.NewPerson) -> views.Person:
        if new.id is not None and (taken := here().town.user(new.id)) is not None:
            raise HTTPException(409, f"the id {new.id} is taken by {taken.first_name}")
        person = here().town.add_person(
            new.first_name,
            last_name=new.last_name,
            username=new.username,
            language_code=new.language_code,
            bio=new.bio,
            person_id=new.id,
        )
        return views.Person.model_validate(person)

    @routes.get("/people")
    async def list_people() -> list[views.Person]:
        return [views.Person.model_validate(person) for person in here().town.people.values()]

    @routes.post("/groups")
    async def open_group(new: views.NewGroup) -> views.Chat:
        """Create a group with people and bots in it; the bots learn that they were added."""
        chat = groups.open_group(
            here().town,
            new.kind,
            new.title,
            [find.person(person) for person in new.people],
            [find.bot(bot) for bot in new.bots],
            set(new.admins),
        )
        return find.view(chat.ref)

    @routes.post("/groups/{ref}/migration")
    async def migrate(ref: str, migration: views.Migration) -> views.Chat:
        """Turn the group into a supergroup and return that."""
        return find.view(groups.migrate(here().town, find.chat(ref), find.person(migration.person)).ref)

    @routes.get("/queries/{query_id}")
    async def read_query(query_id: str, within_s: WithinS = 0) -> views.Query:
        """A query, once it is answered or the time is over."""
        query = here().town.queries.get(query_id)
        if query is None:
            raise HTTPException(404, f"no query {query_id}")
        await here().journal.wait_until(lambda: query.answer, within_s)
        return views.Query.model_validate(query)

    return routes
