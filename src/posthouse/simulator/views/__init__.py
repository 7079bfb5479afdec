"""What the control API takes and gives, as typed records. The test client hands the same records to tests."""

from posthouse.simulator.views.bots import Bot, NewBot, of_bot
from posthouse.simulator.views.chats import Blocking, Chat, Seen, of_chat
from posthouse.simulator.views.coverage import Coverage, MethodCoverage
from posthouse.simulator.views.journal import Call, Counters, Event, Events
from posthouse.simulator.views.media import Contact, Dice, Location, Media, Sticker, Venue, of_media
from posthouse.simulator.views.messages import Button, Message, Press, Rewording, Saying, of_message
from posthouse.simulator.views.payments import (
    Checkout,
    Invoice,
    NewCheckout,
    OrderInfo,
    ShippingAddress,
    ShippingChoice,
    Stars,
    StarsAdded,
    Subscription,
    SubscriptionChange,
    Transaction,
    of_checkout,
    of_invoice,
    of_subscription,
    stars_of,
)
from posthouse.simulator.views.people import Migration, NewGroup, NewPerson, Person
from posthouse.simulator.views.queries import InlineAsking, Query
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
    "Invoice",
    "Location",
    "Media",
    "Message",
    "MethodCoverage",
    "Migration",
    "NewBot",
    "NewCheckout",
    "NewFault",
    "NewGroup",
    "NewPerson",
    "OrderInfo",
    "Person",
    "Press",
    "Query",
    "Rewording",
    "Saying",
    "Seen",
    "Settings",
    "ShippingAddress",
    "ShippingChoice",
    "Stars",
    "StarsAdded",
    "Sticker",
    "Subscription",
    "SubscriptionChange",
    "Transaction",
    "Venue",
    "of_bot",
    "of_chat",
    "of_checkout",
    "of_invoice",
    "of_media",
    "of_message",
    "of_subscription",
    "stars_of",
]
