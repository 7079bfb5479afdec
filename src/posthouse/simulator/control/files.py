"""Routes: the files of the town."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Response

from posthouse.simulator import views
from posthouse.simulator.control.site import here
from posthouse.simulator.files import File
from posthouse.simulator.media import FileMedia

_AS_THEY_ARE = ("image/jpeg", "image/png", "image/webp", "image/gif", "audio/", "video/", "application/pdf")
"""Types that a browser may show in place; anything else (a page, a script, an SVG) is only saved."""


def routes_of_files() -> APIRouter:
    routes = APIRouter(prefix="/files", tags=["files"])

    @routes.get("/{unique_id}", response_class=Response)
    async def read_file(
        unique_id: str, save: Annotated[bool, Query(description="As a download under its name.")] = False
    ) -> Response:
        """A file by its `file_unique_id`; a photo in one size, a thumbnail likewise."""
        file = here().town.files.files.get(unique_id)
        if file is None:
            raise HTTPException(404, f"no file {unique_id}")
        return response_of(file, save=save)

    return routes


def routes_of_stickers() -> APIRouter:
    routes = APIRouter(prefix="/sticker_sets", tags=["files"])

    @routes.get("")
    async def list_sticker_sets() -> list[views.StickerSet]:
        """Every sticker set of the town; a sticker is sent by its `unique_id` as `file` of `/chats/{ref}/media`."""
        return [
            views.StickerSet(
                name=stickers.name,
                title=stickers.title,
                type=stickers.kind,
                stickers=[views.of_file(FileMedia(sticker.file)) for sticker in stickers.stickers],
            )
            for stickers in here().town.stickers.sets.values()
        ]

    return routes


def response_of(file: File, *, save: bool = False) -> Response:
    """The file for a browser: shown in place if that is safe, saved otherwise."""
    shown = not save and file.mime_type.startswith(_AS_THEY_ARE)
    name = quote(file.name or f"{file.kind}-{file.unique_id}", safe="")
    headers = {
        "content-disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{name}",
        "x-content-type-options": "nosniff",
        "cache-control": "private, max-age=31536000, immutable",
    }
    return Response(file.data, media_type=file.mime_type, headers=headers)
