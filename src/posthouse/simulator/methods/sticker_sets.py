"""Making and changing sticker sets. A bot changes only the sets that it made."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from posthouse.simulator import pictures
from posthouse.simulator.files import File, FileIdUnreadable
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.sources import read_source
from posthouse.simulator.methods.stickers import TGS, WEBM, named_set, owner_of, read_form, read_sticker_file
from posthouse.simulator.parameters import Parameters, Upload
from posthouse.simulator.refusals import bad_request
from posthouse.simulator.stickers import CREATED_MAX, STICKERS_MAX, Sticker, StickerSet

TITLE_CHARACTERS_MAX = 64
EMOJIS_MAX = 20
KEYWORDS_MAX, KEYWORD_CHARACTERS_MAX = 20, 64
THUMBNAIL_SIDE = 100
THUMBNAIL_BYTES_MAX = {"static": 128 * 1024, "animated": 32 * 1024, "video": 32 * 1024}
MASK_POINTS = ("forehead", "eyes", "mouth", "chin")
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
NAME_CHARACTERS_MAX = 64


async def create_new_sticker_set(call: Call) -> bool:
    owner_id = owner_of(call)
    kind = call.parameters.text("sticker_type") or "regular"
    if kind not in STICKERS_MAX:
        raise bad_request("invalid sticker type specified")
    made = StickerSet(_new_name(call), _title(call), kind, call.bot, owner_id)
    made.needs_repainting = kind == "custom_emoji" and call.parameters.flag("needs_repainting")
    items = _list(call.parameters, "stickers")
    if not items:
        raise bad_request("STICKERS_EMPTY")
    if len(items) > CREATED_MAX:
        raise bad_request("STICKERS_TOO_MUCH")
    stickers = [await _read(call, made, item) for item in items]
    if call.world.town.stickers.find(made.name) is not None:
        raise bad_request("sticker set name is already occupied")
    call.world.town.stickers.sets[made.name.lower()] = made
    for sticker in stickers:
        _add(call, sticker)
    call.world.town.journal.record("stickers.created", bot_id=call.bot.id, text=made.name, stickers=len(stickers))
    return TRUE


async def add_sticker_to_set(call: Call) -> bool:
    owner_of(call)
    stickers = _own_set(call)
    sticker = await _read(call, stickers, _json(call.parameters, "sticker"))
    if len(stickers.stickers) >= STICKERS_MAX[stickers.kind]:
        raise bad_request("STICKERS_TOO_MUCH")
    _add(call, sticker)
    return TRUE


async def replace_sticker_in_set(call: Call) -> bool:
    owner_of(call)
    stickers = _own_set(call)
    old = _sticker(call, "old_sticker")
    if old.set is not stickers:
        raise bad_request("STICKER_INVALID")
    new = await _read(call, stickers, _json(call.parameters, "sticker"))
    place = stickers.stickers.index(old)
    if _add(call, new):
        stickers.stickers.remove(new)
        stickers.stickers.insert(place, new)
    if old.file.unique_id != new.file.unique_id:
        call.world.town.stickers.drop(old)
    return TRUE


def set_sticker_position_in_set(call: Call) -> bool:
    sticker = _sticker(call)
    position = call.parameters.integer("position", default=-1)
    if position < 0:
        raise bad_request("wrong sticker position specified")
    stickers = sticker.set.stickers
    stickers.remove(sticker)
    stickers.insert(position, sticker)
    return TRUE


def delete_sticker_from_set(call: Call) -> bool:
    call.world.town.stickers.drop(_sticker(call))
    return TRUE


def set_sticker_emoji_list(call: Call) -> bool:
    sticker = _sticker(call)
    sticker.emojis = _emojis(call.parameters)
    call.world.town.stickers.keep(call.world.town.files, sticker)
    return TRUE


def set_sticker_keywords(call: Call) -> bool:
    sticker = _sticker(call)
    if sticker.set.kind == "mask":
        raise bad_request("STICKER_INVALID")
    sticker.keywords = _keywords(call.parameters)
    return TRUE


def set_sticker_mask_position(call: Call) -> bool:
    sticker = _sticker(call)
    if sticker.set.kind != "mask":
        raise bad_request("STICKER_MASK_COORDS_NOT_SUPPORTED")
    sticker.mask_position = _mask_position(call.parameters)
    call.world.town.stickers.keep(call.world.town.files, sticker)
    return TRUE


def set_sticker_set_title(call: Call) -> bool:
    title = _title(call)
    _own_set(call).title = title
    return TRUE


async def set_sticker_set_thumbnail(call: Call) -> bool:
    owner_of(call)
    stickers = _own_set(call)
    form = read_form(call.parameters.text("format"))
    name = "thumbnail" if call.parameters.has("thumbnail") else "thumb"
    source = await read_source(call, call.parameters, name, "document")
    if isinstance(source, File):
        source = Upload(source.name, source.mime_type, source.data)
    stickers.thumbnail = None if source is None else _thumbnail(call, source, form)
    return TRUE


def set_custom_emoji_sticker_set_thumbnail(call: Call) -> bool:
    stickers = _own_set(call)
    if stickers.kind != "custom_emoji":
        raise bad_request("STICKERSET_INVALID")
    wanted = call.parameters.text("custom_emoji_id")
    found = [sticker for sticker in stickers.stickers if sticker.custom_emoji_id == wanted]
    if wanted and not found:
        raise bad_request("STICKER_INVALID")
    stickers.thumbnail = found[0].file.thumbnail if wanted else None
    return TRUE


def delete_sticker_set(call: Call) -> bool:
    stickers = _own_set(call)
    call.world.town.stickers.drop_set(stickers)
    call.world.town.journal.record("stickers.deleted", bot_id=call.bot.id, text=stickers.name)
    return TRUE


def _new_name(call: Call) -> str:
    name = call.parameters.text("name").strip()
    if not name:
        raise bad_request("sticker set name must be non-empty")
    ending = f"_by_{call.bot.username}".lower()
    if not _NAME.fullmatch(name) or len(name) > NAME_CHARACTERS_MAX or not name.lower().endswith(ending):
        raise bad_request("invalid sticker set name is specified")
    return name


def _title(call: Call) -> str:
    title = call.parameters.text("title").strip()[:TITLE_CHARACTERS_MAX]
    if not title:
        raise bad_request("sticker set title must be non-empty")
    return title


def _own_set(call: Call) -> StickerSet:
    stickers = named_set(call)
    if stickers.bot is not call.bot:
        raise bad_request("STICKERSET_INVALID")
    return stickers


def _sticker(call: Call, name: str = "sticker") -> Sticker:
    """The sticker of one of the bot's sets that this file_id names, or raise Refusal."""
    try:
        file = call.world.town.files.by_id(call.bot, call.parameters.text(name))
    except FileIdUnreadable as error:
        raise bad_request(f"wrong remote file identifier specified: {error}") from None
    sticker = None if file is None else call.world.town.stickers.stickers.get(file.unique_id)
    if sticker is None:
        raise bad_request("STICKER_INVALID")
    if sticker.set.bot is not call.bot:
        raise bad_request("STICKERSET_INVALID")
    return sticker


async def _read(call: Call, stickers: StickerSet, item: object) -> Sticker:
    """An InputSticker for that set, or raise Refusal."""
    if not isinstance(item, dict):
        raise bad_request("can't parse sticker: expected an Object")
    fields = Parameters({name: value for name, value in item.items() if value is not None}, call.parameters.files)
    emojis = _emojis(fields)
    file = await read_sticker_file(call, fields, stickers.kind)
    sticker = Sticker(file, stickers, emojis, _keywords(fields))
    if stickers.kind == "mask":
        sticker.mask_position = _mask_position(fields)
    return sticker


def _add(call: Call, sticker: Sticker) -> bool:
    """Put it at the end of its set, unless the very same is there."""
    town, stickers = call.world.town, sticker.set
    if any(present.file.data == sticker.file.data for present in stickers.stickers):
        return False
    plain = sticker.file
    facts = {**plain.facts, "set_name": stickers.name}
    sticker.file = town.files.put(
        "sticker", plain.data, plain.mime_type, name=plain.name, facts=facts, thumbnail=plain.thumbnail
    )
    if stickers.kind == "custom_emoji":
        sticker.custom_emoji_id = str(town.dice.randint(5 * 10**18, 6 * 10**18))
    stickers.stickers.append(sticker)
    town.stickers.keep(town.files, sticker)
    return True


def _thumbnail(call: Call, upload: Upload, form: str) -> File:
    if len(upload.data) > THUMBNAIL_BYTES_MAX[form]:
        raise bad_request("file is too big")
    picture = pictures.probe(upload.data)
    if form == "static":
        if picture is None or picture.mime_type not in ("image/png", "image/webp"):
            raise bad_request("STICKER_THUMB_PNG_NOPNG")
        if (picture.width, picture.height) != (THUMBNAIL_SIDE, THUMBNAIL_SIDE):
            raise bad_request("STICKER_PNG_DIMENSIONS")
    elif not upload.data.startswith(TGS if form == "animated" else WEBM):
        raise bad_request("STICKER_THUMB_TGS_NOTGS" if form == "animated" else "STICKER_VIDEO_NOWEBM")
    facts = {"width": THUMBNAIL_SIDE, "height": THUMBNAIL_SIDE}
    return call.world.town.files.put("thumbnail", upload.data, upload.mime_type, facts=facts)


def _emojis(fields: Parameters) -> list[str]:
    emojis = _list(fields, "emoji_list") or [*fields.text("emojis").strip()[:1]]
    if not 1 <= len(emojis) <= EMOJIS_MAX or not all(isinstance(emoji, str) and _is_emoji(emoji) for emoji in emojis):
        raise bad_request("invalid sticker emojis")
    return emojis


def _is_emoji(text: str) -> bool:
    return bool(text) and not any(character.isalpha() or character.isspace() for character in text)


def _keywords(fields: Parameters) -> list[str]:
    keywords = [str(keyword) for keyword in _list(fields, "keywords")]
    if len(keywords) > KEYWORDS_MAX or sum(map(len, keywords)) > KEYWORD_CHARACTERS_MAX:
        raise bad_request("too many keywords specified")
    return keywords


def _mask_position(fields: Parameters) -> dict[str, Any] | None:
    place = _json(fields, "mask_position")
    if place is None:
        return None
    if not isinstance(place, dict):
        raise bad_request("can't parse mask position: MaskPosition must be an Object")
    point = str(place.get("point", "")).strip().lower()
    if point not in MASK_POINTS:
        raise bad_request("can't parse mask position: Wrong point specified in MaskPosition")
    numbers = {name: place.get(name) for name in ("x_shift", "y_shift", "scale")}
    for name, number in numbers.items():
        if not isinstance(number, int | float):
            raise bad_request(f"can't parse mask position: Can't find field \"{name}\"")
    return {"point": point, **numbers}


def _json(fields: Parameters, name: str) -> object:
    try:
        return fields.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from None


def _list(fields: Parameters, name: str) -> list[Any]:
    given = _json(fields, name)
    return given if isinstance(given, list) else []


METHODS: Methods = {
    "createNewStickerSet": create_new_sticker_set,
    "addStickerToSet": add_sticker_to_set,
    "replaceStickerInSet": replace_sticker_in_set,
    "setStickerPositionInSet": set_sticker_position_in_set,
    "deleteStickerFromSet": delete_sticker_from_set,
    "setStickerEmojiList": set_sticker_emoji_list,
    "setStickerKeywords": set_sticker_keywords,
    "setStickerMaskPosition": set_sticker_mask_position,
    "setStickerSetTitle": set_sticker_set_title,
    "setStickerSetThumbnail": set_sticker_set_thumbnail,
    "setCustomEmojiStickerSetThumbnail": set_custom_emoji_sticker_set_thumbnail,
    "deleteStickerSet": delete_sticker_set,
}
