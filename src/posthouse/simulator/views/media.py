"""What a message carries besides text, in one shape that can be drawn without asking further."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from posthouse.simulator import files, polls
from posthouse.simulator import media as state
from posthouse.simulator.invoices import Invoice as InvoiceState
from posthouse.simulator.paid_media import PaidMedia as PaidMediaState
from posthouse.simulator.views.payments import Invoice, of_invoice
from posthouse.simulator.views.view import View

FILES_PATH = "/sim/v1/files"


class Location(View):
    latitude: float
    longitude: float
    horizontal_accuracy: float | None = None
    live_period: int | None = None
    heading: int | None = None
    proximity_alert_radius: int | None = None


class Venue(View):
    title: str
    address: str
    location: Location


class Contact(View):
    phone_number: str
    first_name: str
    last_name: str = ""
    user_id: int | None = None
    vcard: str = ""


class Dice(View):
    emoji: str
    value: int


class Sticker(View):
    type: str = "regular"
    emoji: str = ""
    set_name: str = ""
    is_animated: bool = False
    is_video: bool = False


class PollOption(View):
    text: str
    voters: int = 0
    correct: bool = False
    """A right answer of a quiz."""
    media: Media | None = None


class Poll(View):
    """A poll with its counts. `votes` are the numbers of the chosen options by person, also of an anonymous one."""

    id: str
    question: str
    options: list[PollOption]
    total_voters: int
    is_closed: bool
    is_anonymous: bool
    is_quiz: bool
    allows_multiple_answers: bool
    allows_revoting: bool
    hides_results: bool
    explanation: str = ""
    description: str = ""
    media: Media | None = None
    close_date: int | None = None
    votes: dict[int, list[int]] = Field(default_factory=dict)


class PaidMedia(View):
    """Media for Stars; `items` are whole, and a page blurs them for who is not among the `buyers`."""

    stars: int
    items: list[Media]
    buyers: list[int] = Field(default_factory=list)


class Media(View):
    """Media of a message. `kind` is the name of Telegram's field; what does not apply to the kind is None.

    `url` and `thumbnail_url` are paths on the simulator. `raw` is a kind without a shape of its own, as
    Telegram shows it.
    """

    kind: str
    url: str | None = None
    thumbnail_url: str | None = None
    unique_id: str | None = None
    file_name: str = ""
    mime_type: str = ""
    size_bytes: int = 0
    width: int | None = None
    height: int | None = None
    duration_s: int | None = None
    title: str = ""
    performer: str = ""
    spoiler: bool = False
    caption_above: bool = False
    location: Location | None = None
    venue: Venue | None = None
    contact: Contact | None = None
    dice: Dice | None = None
    sticker: Sticker | None = None
    poll: Poll | None = None
    paid: PaidMedia | None = None
    raw: dict[str, Any] = Field(default_factory=dict)
    invoice: Invoice | None = None


def of_media(media: state.Media) -> Media:
    if isinstance(media, state.FileMedia):
        return of_file(media)
    if isinstance(media, state.Fact):
        shape = {media.kind: media.value} if media.kind in ("location", "venue", "contact", "dice") else {}
        return Media.model_validate({"kind": media.kind, **shape, "raw": {} if shape else media.value})
    if isinstance(media, InvoiceState):
        return Media(kind=media.kind, invoice=of_invoice(media))
    if isinstance(media, polls.PollMedia):
        return Media(kind="poll", poll=of_poll(media.poll))
    if isinstance(media, PaidMediaState):
        items = [of_file(item) for item in media.items]
        paid = PaidMedia(stars=media.stars, items=items, buyers=sorted(media.buyers))
        return Media(kind=media.kind, paid=paid, caption_above=media.caption_above)
    return Media(kind=media.kind)


def of_file(media: state.FileMedia) -> Media:
    file, facts = media.file, media.file.facts
    small = _smaller(file)
    return Media(
        kind=media.kind,
        url=f"{FILES_PATH}/{file.unique_id}",
        thumbnail_url=f"{FILES_PATH}/{small.unique_id}" if small else None,
        unique_id=file.unique_id,
        file_name=file.name,
        mime_type=file.mime_type,
        size_bytes=len(file.data),
        width=facts.get("width", facts.get("length")),
        height=facts.get("height", facts.get("length")),
        duration_s=facts.get("duration"),
        title=facts.get("title", ""),
        performer=facts.get("performer", ""),
        spoiler=media.spoiler,
        caption_above=media.caption_above,
        sticker=Sticker.model_validate(facts) if media.kind == "sticker" else None,
    )


def of_poll(poll: polls.Poll) -> Poll:
    options = [
        PollOption(
            text=o.text, voters=count, correct=number in poll.correct, media=of_media(o.media) if o.media else None
        )
        for number, (o, count) in enumerate(zip(poll.options, poll.counts(), strict=True))
    ]
    return Poll(
        id=poll.id,
        question=poll.question,
        options=options,
        total_voters=len(poll.votes),
        is_closed=poll.is_closed,
        is_anonymous=poll.is_anonymous,
        is_quiz=poll.is_quiz,
        allows_multiple_answers=poll.allows_multiple_answers,
        allows_revoting=poll.allows_revoting,
        hides_results=poll.hides_results,
        explanation=poll.explanation,
        description=poll.description,
        media=of_media(poll.media) if poll.media else None,
        close_date=poll.close_date or None,
        votes=poll.votes,
    )


def _smaller(file: files.File) -> files.File | None:
    """What to show before the file itself is there."""
    if file.thumbnail is not None:
        return file.thumbnail
    fitting = [size for size in file.all_sizes if max(size.facts.get("width", 0), size.facts.get("height", 0)) <= 320]
    return fitting[-1] if file.kind == "photo" and fitting else None


class PlaceSending(View):
    """A person sends a place; with a `title` it is a venue, with a `live_period_s` a live location."""

    person: int
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    live_period_s: int | None = Field(None, ge=60)
    title: str = ""
    address: str = ""
    reply_to: int | None = None
    thread: int = 0
    """The topic it is written in."""


class Moving(View):
    """A person's live location is somewhere else now; None as a place ends it."""

    person: int
    place: Location | None = None


class ContactSending(View):
    """A person sends a card; `own` makes it that person's, as the button for sharing one's number does."""

    person: int
    phone_number: str
    first_name: str = ""
    last_name: str = ""
    own: bool = False
    reply_to: int | None = None
    thread: int = 0
    """The topic it is written in."""


class Throw(View):
    person: int
    emoji: str = "🎲"
    thread: int = 0
    """The topic it is written in."""


class Vote(View):
    """Numbers of the chosen options; none takes the vote back."""

    person: int
    options: list[int] = Field(default_factory=list)


class Purchase(View):
    person: int


class StickerSet(View):
    name: str
    title: str
    type: str
    stickers: list[Media]
