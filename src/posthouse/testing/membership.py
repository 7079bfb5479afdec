"""Coming and going, from the person's side. What members do with one another is on `Group`."""

from __future__ import annotations

from posthouse.simulator import views
from posthouse.testing.actor import Actor
from posthouse.testing.chats import Chat


class Neighbour(Actor):
    """Somebody among others."""

    async def joins(self, link: str) -> bool:
        """Follow an invite link, or enter the public chat `@username`; True when somebody must agree first."""
        answer = await self.town.request("POST", "/joins", views.Joining(person=self.id, link=link))
        return views.Joined.model_validate(answer).requested

    async def leaves(self, chat: Chat) -> None:
        """Leave a group or channel."""
        await self.town.request("DELETE", f"/chats/{chat.ref}/members/{self.id}", query={"person": self.id})

    async def deletes_account(self) -> None:
        """Be gone from Telegram."""
        await self.town.request("DELETE", f"/people/{self.id}")
