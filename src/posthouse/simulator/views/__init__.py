"""What the control API takes and gives, as typed records. The test client hands the same records to tests."""

from posthouse.simulator.views.bots import Bot, NewBot, of_bot
from posthouse.simulator.views.chats import Blocking, Chat, Seen, of_chat
from posthouse.simulator.views.coverage import Coverage, MethodCoverage
from posthouse.simulator.views.journal import Call, Counters, Event, Events
from posthouse.simulator.views.media import Contact, Dice, Location, Media, Sticker, Venue, of_media
from posthouse.simulator.views.messages import Button, Message, Press, Rewording, Saying, of_message
from posthouse.simulator.views.people import Migration, NewGroup, NewPerson, Person
from posthouse.simulator.views.queries import Checkout, InlineAsking, Query
from posthouse.simulator.views.rules import Fault, NewFault, Settings

__all__ = [
    "Blocking",
    "Bot",
    "Button",
    "Call",
    "Chat",
    "Checkout",
    "Contact",
    "Counters",
    "Coverage",
    "Dice",
    "Event",
    "Events",
    "Fault",
    "InlineAsking",
    "Location",
    "Media",
    "Message",
    "MethodCoverage",
    "Migration",
    "NewBot",
    "NewFault",
    "NewGroup",
    "NewPerson",
    "Person",
    "Press",
    "Query",
    "Rewording",
    "Saying",
    "Seen",
    "Settings",
    "Sticker",
    "Venue",
    "of_bot",
    "of_chat",
    "of_media",
    "of_message",
]
