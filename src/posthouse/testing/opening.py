"""Links, buttons that open something, and Mini Apps, from the person's side."""

from __future__ import annotations

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.testing.actor import Actor, Place, Question
from posthouse.testing.chats import Chat
from posthouse.testing.control import BotName


class Opener(Actor):
    """What a person opens."""

    async def follows(self, url: str, *, seen_in: Chat | None = None, group: Chat | None = None) -> views.Opened:
        """Follow a link; `group` is the one that is picked when the link asks for one."""
        following = views.Following(
            person=self.id,
            url=url,
            chat=None if seen_in is None else seen_in.ref,
            group=None if group is None else group.ref,
        )
        return views.Opened.model_validate(await self.town.request("POST", "/links", following))

    async def opens(self, text: str, *, on: Message | Place = None, agreed: bool = True) -> views.Opened:
        """Press an inline button that opens something. `agreed` is the consent to a login button."""
        ref, message = await self._spot(on)
        press = views.ButtonOpening(person=self.id, text=text, message=message, agreed=agreed)
        return views.Opened.model_validate(await self.town.request("POST", f"/chats/{ref}/openings", press))

    async def opens_button_over(self, question: Question) -> views.Opened:
        """Press the button above the results of an inline query."""
        await question.answer()
        answer = await self.town.request("POST", f"/inline_queries/{question.id}/button")
        return views.Opened.model_validate(answer)

    async def opens_menu_of(self, bot: BotName) -> views.WebApp:
        """Open the Mini App of the bot's menu button."""
        return await self._open_app(bot, None)

    async def opens_app(self, text: str, *, of: BotName) -> views.WebApp:
        """Open the Mini App of a button of the bot's reply keyboard."""
        return await self._open_app(of, text)

    async def sends_data(self, app: views.WebApp, data: str) -> Message:
        """What the Mini App of a keyboard button passes to the bot."""
        answer = await self.town.request("POST", f"/web_apps/{app.id}/data", views.AppData(data=data))
        return Message.model_validate(answer)

    async def _open_app(self, bot: BotName, text: str | None) -> views.WebApp:
        asked = views.AppOpening(person=self.id, bot=await self.town.bot_id(bot), text=text)
        return views.WebApp.model_validate(await self.town.request("POST", "/web_apps", asked))
