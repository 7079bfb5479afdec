"""Files and media that bots send: sources, sizes, identifiers, links, and what a person sees of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramNotFound
from aiogram.types import BufferedInputFile, Message
from aiohttp import web
from pictures_stage import film, picture, sound
from simulator_stage import TOKEN, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person


def file(data: bytes, name: str) -> BufferedInputFile:
    return BufferedInputFile(data, name)


async def downloaded(bot: Bot, file_id: str) -> bytes:
    path = (await bot.get_file(file_id)).file_path
    assert path is not None
    content = await bot.download_file(path)
    assert content is not None
    return content.read()


async def test_files_come_back_as_they_were_sent(bot: Bot, ann: Person) -> None:
    """A document can be fetched by the bot and by the person, and sent again by its id."""
    sent = await bot.send_document(ann.id, file(b"a,b\n1,2", "plan.csv"), caption="Your plan")
    assert sent.document is not None
    assert (sent.document.file_name, sent.document.mime_type, sent.caption) == ("plan.csv", "text/csv", "Your plan")
    assert await downloaded(bot, sent.document.file_id) == b"a,b\n1,2"
    chat = ann.chat_with(TOKEN)
    assert await chat.file(await chat.shows("Your plan")) == b"a,b\n1,2"
    again = await bot.send_document(ann.id, sent.document.file_id)
    assert again.document == sent.document


async def test_a_file_id_belongs_to_one_bot_and_the_unique_id_to_all(bot: Bot, ann: Person, sim: Simulator) -> None:
    """Two bots that send the same bytes have different ids for them, and cannot use each other's."""
    mine = (await bot.send_document(ann.id, file(b"x", "x.bin"))).document
    async with aiogram_bot(sim, "5:other") as other:
        await ann.starts("5:other")
        its = (await other.send_document(ann.id, file(b"x", "x.bin"))).document
        assert mine is not None
        assert its is not None
        assert mine.file_id != its.file_id
        assert mine.file_unique_id == its.file_unique_id
        with pytest.raises(TelegramBadRequest, match="wrong file_id or the file is temporarily unavailable"):
            await other.get_file(mine.file_id)
        with pytest.raises(TelegramBadRequest, match="wrong file identifier/HTTP URL specified"):
            await other.send_document(ann.id, mine.file_id)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("no-id-of-mine!", "wrong remote file identifier specified: "),
        ("AAAAA", "wrong remote file identifier specified: Wrong string length"),
        ("ftp://example.com/a", "invalid file HTTP URL specified: Unsupported URL protocol"),
        ("attach://nothing", "there is no document in the request"),
    ],
)
async def test_what_is_no_file_is_refused(bot: Bot, ann: Person, text: str, error: str) -> None:
    with pytest.raises(TelegramBadRequest, match=error):
        await bot.send_document(ann.id, text)


async def test_a_missing_file_is_not_found(sim: Simulator, bot: Bot) -> None:
    """A path that was never given out is 404, and what is no file_id says so."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{sim.url}/file/bot{TOKEN}/documents/file_9.txt") as response:
            assert response.status == 404
    with pytest.raises(TelegramBadRequest, match="invalid file_id"):
        await bot.get_file("documents-1-1")
    with pytest.raises(TelegramBadRequest, match="file_id not specified"):
        await bot.get_file("")


async def test_a_link_ends_after_an_hour_and_can_be_renewed(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """The path of getFile works for an hour; asking again makes the same path good for another."""
    sent = (await bot.send_document(ann.id, file(b"x", "x.txt"))).document
    assert sent is not None
    link = await bot.get_file(sent.file_id)
    assert link.file_path == "documents/file_0.txt"
    await clock.advance(3600)
    assert await bot.download_file(link.file_path) is not None
    await clock.advance(1)
    with pytest.raises(aiohttp.ClientResponseError):
        await bot.download_file(link.file_path)
    assert (await bot.get_file(sent.file_id)).file_path == link.file_path
    assert await bot.download_file(link.file_path) is not None


async def test_a_large_file_can_be_sent_and_not_fetched(bot: Bot, ann: Person) -> None:
    """getFile ends at 20 MiB; an empty file and too large a photo are refused at once."""
    sent = (await bot.send_document(ann.id, file(bytes(20 * 1024 * 1024 + 1), "big.bin"))).document
    assert sent is not None
    with pytest.raises(TelegramBadRequest, match="file is too big"):
        await bot.get_file(sent.file_id)
    with pytest.raises(TelegramBadRequest, match="file must be non-empty"):
        await bot.send_document(ann.id, file(b"", "empty.txt"))
    with pytest.raises(TelegramBadRequest, match="is too big for a photo"):
        await bot.send_photo(ann.id, file(bytes(10 * 1024 * 1024 + 1), "big.png"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_a_photo_comes_in_real_sizes(bot: Bot, ann: Person, kind: str) -> None:
    """Every size that is smaller than the picture exists, is a JPEG of that size, and downloads."""
    sent = (await bot.send_photo(ann.id, file(picture(1600, 1000, kind), "p"), has_spoiler=True)).photo
    assert sent is not None
    assert [(size.width, size.height) for size in sent] == [(90, 56), (320, 200), (800, 500), (1280, 800), (1600, 1000)]
    assert (await downloaded(bot, sent[0].file_id)).startswith(b"\xff\xd8")
    again = await bot.send_photo(ann.id, sent[-1].file_id)
    assert again.photo == sent


async def test_a_small_photo_has_its_own_size_last(bot: Bot, ann: Person) -> None:
    sent = (await bot.send_photo(ann.id, file(picture(320, 200), "p.png"))).photo
    assert sent is not None
    assert [(size.width, size.height) for size in sent] == [(90, 56), (320, 200)]


async def test_what_is_no_photo_is_refused(bot: Bot, ann: Person) -> None:
    """Not a picture, a broken one, one of the wrong shape, and a document in the place of a photo."""
    for data in (b"text", picture()[:60]):
        with pytest.raises(TelegramBadRequest, match="IMAGE_PROCESS_FAILED"):
            await bot.send_photo(ann.id, file(data, "p.png"))
    for size in ((2100, 100), (9000, 1001)):
        with pytest.raises(TelegramBadRequest, match="PHOTO_INVALID_DIMENSIONS"):
            await bot.send_photo(ann.id, file(picture(*size), "p.png"))
    document = (await bot.send_document(ann.id, file(b"x", "x.txt"))).document
    photo = (await bot.send_photo(ann.id, file(picture(), "p.png"))).photo
    assert document is not None
    assert photo is not None
    with pytest.raises(TelegramBadRequest, match="can't use file of type Document as Photo"):
        await bot.send_photo(ann.id, document.file_id)
    with pytest.raises(TelegramBadRequest, match="can't use file of type Photo as Video"):
        await bot.send_video(ann.id, photo[0].file_id)


async def test_a_header_tells_duration_and_size(bot: Bot, ann: Person) -> None:
    """What the sender does not state is read from the file."""
    audio = (await bot.send_audio(ann.id, file(sound(3), "s.wav"), title="Silence")).audio
    voice = (await bot.send_voice(ann.id, file(sound(2), "v.wav"), duration=9)).voice
    video = (await bot.send_video(ann.id, file(film(640, 360, 7), "f.mp4"))).video
    note = (await bot.send_video_note(ann.id, file(film(240, 240, 5), "n.mp4"))).video_note
    assert audio is not None
    assert (audio.duration, audio.title, audio.file_name) == (3, "Silence", "s.wav")
    assert voice is not None
    assert voice.duration == 9
    assert video is not None
    assert (video.width, video.height, video.duration, video.mime_type) == (640, 360, 7, "video/mp4")
    assert note is not None
    assert (note.length, note.duration) == (240, 5)


async def test_an_animation_is_a_document_too(bot: Bot, ann: Person) -> None:
    """A GIF is an animation also when it was sent as a document, and carries the field of old."""
    sent = await bot.send_document(ann.id, file(picture(64, 48, "GIF"), "a.gif"))
    assert sent.animation is not None
    assert sent.document is not None
    assert (sent.animation.width, sent.animation.height) == (64, 48)
    assert sent.animation.thumbnail is not None
    again = await bot.send_animation(ann.id, sent.animation.file_id)
    assert again.animation == sent.animation


async def test_a_file_keeps_its_kind_when_it_is_sent_again(bot: Bot, ann: Person) -> None:
    """A video sent by its id through sendDocument is a video."""
    video = (await bot.send_video(ann.id, file(film(), "f.mp4"))).video
    assert video is not None
    sent = await bot.send_document(ann.id, video.file_id)
    assert sent.video == video
    assert sent.document is None


async def test_a_thumbnail_comes_along(bot: Bot, ann: Person) -> None:
    """The uploaded thumbnail is shown and can be downloaded; a cover is a photo of its own."""
    sent = await bot.send_video(
        ann.id,
        file(film(), "f.mp4"),
        thumbnail=file(picture(320, 180, "JPEG"), "t.jpg"),
        cover=file(picture(), "c.png"),
    )
    assert sent.video is not None
    assert sent.video.thumbnail is not None
    assert (sent.video.thumbnail.width, sent.video.thumbnail.height) == (320, 180)
    assert sent.video.cover is not None
    assert sent.video.cover[-1].width == 320
    assert await downloaded(bot, sent.video.thumbnail.file_id)
    with pytest.raises(TelegramBadRequest, match="can't use file of type Thumbnail as Photo"):
        await bot.send_photo(ann.id, sent.video.thumbnail.file_id)


async def test_attached_files_are_found(sim: Simulator, ann: Person) -> None:
    """`attach://<part>` names the part that holds the file."""
    form = aiohttp.FormData({"chat_id": str(ann.id), "document": "attach://blob"})
    form.add_field("blob", b"bytes", filename="b.bin")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.url}/bot{TOKEN}/sendDocument", data=form) as r,
    ):
        assert (await r.json())["result"]["document"]["file_name"] == "b.bin"


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A web site with a picture, a page, and a picture that is too large."""

    async def answer(request: web.Request) -> web.Response:
        pages = {
            "/p.png": web.Response(body=picture(), content_type="image/png"),
            "/doc.pdf": web.Response(body=b"%PDF", content_type="application/pdf"),
            "/page": web.Response(text="<p>", content_type="text/html"),
            "/large.png": web.Response(body=bytes(5 * 1024 * 1024 + 1), content_type="image/png"),
        }
        return pages.get(request.path) or web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_url_is_fetched(bot: Bot, ann: Person, site: str) -> None:
    photo = (await bot.send_photo(ann.id, f"{site}/p.png")).photo
    document = (await bot.send_document(ann.id, f"{site}/doc.pdf")).document
    assert photo is not None
    assert photo[-1].width == 320
    assert document is not None
    assert (document.file_name, document.mime_type) == ("doc.pdf", "application/pdf")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/nothing", "failed to get HTTP URL content"),
        ("/page", "wrong type of the web page content"),
        ("/large.png", "wrong file identifier/HTTP URL specified"),
    ],
)
async def test_a_url_that_gives_no_photo_is_refused(bot: Bot, ann: Person, site: str, path: str, error: str) -> None:
    with pytest.raises(TelegramBadRequest, match=error):
        await bot.send_photo(ann.id, site + path)
    with pytest.raises(TelegramBadRequest, match="failed to get HTTP URL content"):
        await bot.send_photo(ann.id, "http://127.0.0.1:1/closed.png")


async def test_a_person_sees_media_in_one_shape(bot: Bot, ann: Person, sim: Simulator) -> None:
    """The view of a message has kind, addresses, sizes and name, and the addresses answer."""
    await bot.send_photo(ann.id, file(picture(1000, 500), "p.png"), caption="Look", show_caption_above_media=True)
    shown = (await ann.chat_with(TOKEN).shows("Look")).media
    assert shown is not None
    assert (shown.kind, shown.width, shown.height, shown.caption_above) == ("photo", 1000, 500, True)
    assert shown.url is not None
    assert shown.thumbnail_url is not None
    async with aiohttp.ClientSession(sim.url) as session:
        async with session.get(shown.url) as whole, session.get(shown.thumbnail_url) as small:
            assert (whole.status, whole.content_type, small.content_type) == (200, "image/jpeg", "image/jpeg")
            assert len(await small.read()) < len(await whole.read()) == shown.size_bytes
        async with session.get("/sim/v1/files/none") as missing:
            assert missing.status == 404


async def test_a_page_in_a_document_is_not_shown_as_one(bot: Bot, ann: Person, sim: Simulator) -> None:
    """A document that a browser would run is only ever saved."""
    await bot.send_document(ann.id, file(b"<script>1</script>", "x.html"), caption="Page")
    shown = (await ann.chat_with(TOKEN).shows("Page")).media
    assert shown is not None
    async with aiohttp.ClientSession(sim.url) as session, session.get(str(shown.url)) as answer:
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_kinds_of_files_parse(bot: Bot, ann: Person) -> None:
    """Each method's answer is a message with the media of its kind and the caption."""
    sent: list[Message] = [
        await bot.send_animation(ann.id, file(film(), "a.mp4"), caption="c"),
        await bot.send_audio(ann.id, file(sound(), "a.wav"), caption="c"),
        await bot.send_voice(ann.id, file(b"OggS", "a.ogg"), caption="c"),
        await bot.send_video(ann.id, file(b"\x1aE\xdf\xa3", "a.webm"), caption="c", width=3, height=4, duration=5),
    ]
    assert [message.content_type for message in sent] == ["animation", "audio", "voice", "video"]
    assert {message.caption for message in sent} == {"c"}
    with pytest.raises((TelegramBadRequest, TelegramNotFound), match="there is no voice in the request"):
        await bot.send_voice(ann.id, "")
