"""What people send besides text."""

from __future__ import annotations

from posthouse.simulator.views import Message
from posthouse.testing.actor import Actor, Place


class Sender(Actor):
    """Files, places, cards and dice."""

    async def sends_photo(self, picture: bytes, *, caption: str = "", to: Place = None) -> Message:
        (message,) = await self.sends("photo", picture, caption=caption, to=to, name="photo.png")
        return message

    async def sends_document(self, content: bytes, *, name: str, caption: str = "", to: Place = None) -> Message:
        (message,) = await self.sends("document", content, caption=caption, to=to, name=name)
        return message

    async def sends_voice(self, sound: bytes, *, duration_s: int = 1, to: Place = None) -> Message:
        (message,) = await self.sends("voice", sound, to=to, name="voice.ogg", duration_s=duration_s)
        return message

    async def sends(
        self,
        kind: str,
        *files: bytes,
        name: str = "file",
        caption: str = "",
        to: Place = None,
        duration_s: int = 0,
        thread: int = 0,
    ) -> list[Message]:
        """Send files as photo, document, audio, voice, video, video_note, animation or sticker; many are an album.

        `thread` is the topic of a forum.
        """
        fields = {"person": self.id, "kind": kind, "caption": caption, "duration_s": duration_s, "thread": thread}
        sent = await self.town.upload(f"/chats/{await self._ref(to)}/media", fields, [(name, file) for file in files])
        return [Message.model_validate(message) for message in sent]

    async def sends_place(self, latitude: float, longitude: float, *, title: str = "", to: Place = None) -> Message:
        """A location; with a title a venue."""
        place = {"person": self.id, "latitude": latitude, "longitude": longitude, "title": title, "address": title}
        return await self._posted("places", place, to)

    async def shares_contact(self, phone_number: str, *, to: Place = None) -> Message:
        """One's own card, as the button that asks for it does."""
        return await self._posted("contacts", {"person": self.id, "phone_number": phone_number, "own": True}, to)

    async def throws(self, emoji: str = "🎲", *, to: Place = None) -> Message:
        return await self._posted("dice", {"person": self.id, "emoji": emoji}, to)

    async def votes(self, *options: int, on: Message) -> None:
        """Vote in a poll by the numbers of options; none takes the vote back."""
        path = f"/chats/{on.chat}/messages/{on.id}/votes"
        await self.town.request("POST", path, {"person": self.id, "options": list(options)})

    async def _posted(self, what: str, body: dict[str, object], to: Place) -> Message:
        answer = await self.town.request("POST", f"/chats/{await self._ref(to)}/{what}", body)
        return Message.model_validate(answer)
