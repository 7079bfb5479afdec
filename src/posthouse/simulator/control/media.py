"""Routes: what people send besides text, and their votes."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, UploadFile

from posthouse.simulator import views
from posthouse.simulator.control.finder import Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.files import PHOTO_BYTES_MAX, UPLOAD_BYTES_MAX, File
from posthouse.simulator.media import Fact, FileMedia, contact, location, venue
from posthouse.simulator.methods.sources import checked
from posthouse.simulator.parameters import Upload
from posthouse.simulator.people import media as acts
from posthouse.simulator.people import paid_media, polls
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.pictures import BadShape, NotAPicture
from posthouse.simulator.shelving import shelve, shelve_photo
from posthouse.simulator.world import World

Kind = Literal["photo", "document", "audio", "voice", "video", "video_note", "animation", "sticker"]


def routes_of_media() -> APIRouter:
    routes = APIRouter(prefix="/chats", tags=["media"])
    find = Finder()

    @routes.post("/{ref}/media")
    async def send_files(
        ref: str,
        person: Annotated[int, Form()],
        kind: Annotated[Kind, Form()] = "document",
        files: Annotated[list[UploadFile] | None, "One file, or 2 to 10 for an album."] = None,
        file: Annotated[str, Form(description="Instead of an upload: the file_unique_id of a file of the town.")] = "",
        caption: Annotated[str, Form()] = "",
        reply_to: Annotated[int | None, Form()] = None,
        thread: Annotated[int, Form(description="The topic; 0 for none.")] = 0,
        spoiler: Annotated[bool, Form()] = False,
        duration_s: Annotated[int, Form(ge=0)] = 0,
    ) -> list[views.Message]:
        """A person sends files; several become an album."""
        sender, chat = find.person(person), find.chat(ref, opened=True)
        replied = None if reply_to is None else find.message(chat, reply_to)
        kept = [_known(here(), file)] if file else []
        kept += [await _shelve(here(), kind, upload, duration_s) for upload in files or []]
        if not kept:
            raise HTTPException(422, "nothing to send: give files, or a file of the town")
        media = [FileMedia(one, spoiler=spoiler) for one in kept]
        if len(media) == 1:
            sent = [acts.send(here().town, sender, chat, media[0], caption=caption, reply_to=replied, thread_id=thread)]
        else:
            sent = acts.send_album(
                here().town, sender, chat, media, caption=caption, reply_to=replied, thread_id=thread
            )
        return [views.of_message(message) for message in sent]

    @routes.post("/{ref}/places")
    async def send_place(ref: str, place: views.PlaceSending) -> views.Message:
        """A person sends a location, a live location, or a venue."""
        chat = find.chat(ref, opened=True)
        replied = None if place.reply_to is None else find.message(chat, place.reply_to)
        sender = find.person(place.person)
        return views.of_message(
            acts.send(here().town, sender, chat, _place(place), reply_to=replied, thread_id=place.thread)
        )

    @routes.put("/{ref}/messages/{message_id}/place")
    async def move(ref: str, message_id: int, moving: views.Moving) -> views.Message:
        """A person's live location moves, or ends."""
        person, message = find.person(moving.person), find.message(find.chat(ref), message_id)
        if moving.place is None:
            acts.stop_moving(here().town, person, message)
        else:
            acts.move(here().town, person, message, moving.place.latitude, moving.place.longitude)
        return views.of_message(message)

    @routes.post("/{ref}/contacts")
    async def send_contact(ref: str, card: views.ContactSending) -> views.Message:
        chat, person = find.chat(ref, opened=True), find.person(card.person)
        replied = None if card.reply_to is None else find.message(chat, card.reply_to)
        media = contact(
            card.phone_number,
            card.first_name or person.first_name,
            last_name=card.last_name,
            user_id=person.id if card.own else 0,
        )
        return views.of_message(acts.send(here().town, person, chat, media, reply_to=replied, thread_id=card.thread))

    @routes.post("/{ref}/dice")
    async def throw(ref: str, throw: views.Throw) -> views.Message:
        chat = find.chat(ref, opened=True)
        person = find.person(throw.person)
        return views.of_message(acts.throw(here().town, person, chat, throw.emoji, thread_id=throw.thread))

    @routes.post("/{ref}/messages/{message_id}/purchases")
    async def buy(ref: str, message_id: int, purchase: views.Purchase) -> views.Message:
        """A person pays for the media of a message with Stars."""
        message = find.message(find.chat(ref), message_id)
        paid_media.buy(here().town, find.person(purchase.person), message)
        return views.of_message(message)

    @routes.post("/{ref}/messages/{message_id}/votes")
    async def vote(ref: str, message_id: int, vote: views.Vote) -> views.Poll:
        """A person votes in a poll, changes the vote, or takes it back with no options."""
        message = find.message(find.chat(ref), message_id)
        return views.of_poll(polls.vote(here().town, find.person(vote.person), message, vote.options))

    return routes


def _known(world: World, unique_id: str) -> File:
    file = world.town.files.files.get(unique_id)
    if file is None:
        raise HTTPException(404, f"no file {unique_id}")
    return file


async def _shelve(world: World, kind: Kind, upload: UploadFile, duration_s: int) -> File:
    """Keep what a person uploads, or raise Impossible or Refusal for what an app would not send."""
    limit = PHOTO_BYTES_MAX if kind == "photo" else UPLOAD_BYTES_MAX
    data = await upload.read(limit + 1)
    if len(data) > limit:
        raise Impossible(f"a {kind} has at most {limit} bytes")
    given = checked(Upload(upload.filename or "", upload.content_type or "", data), kind)
    if kind != "photo":
        return await shelve(world.town.files, kind, given, stated={"duration": duration_s})
    try:
        return await shelve_photo(world.town.files, given)
    except NotAPicture:
        raise Impossible("this is no picture that can be read") from None
    except BadShape:
        raise Impossible("the picture is too large or too narrow for a photo") from None


def _place(place: views.PlaceSending) -> Fact:
    if place.title:
        return venue(place.latitude, place.longitude, place.title, place.address)
    return location(place.latitude, place.longitude, live_period=place.live_period_s)
