"""Sending files and fetching them back."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.files import (
    DOWNLOAD_BYTES_MAX,
    PHOTO_BYTES_MAX,
    UPLOAD_BYTES_MAX,
    StoredFile,
    picture_size,
)
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.messages import caption, deliver
from posthouse.simulator.refusals import Refusal, bad_request, not_implemented


def send_document(call: Call) -> Wire:
    text, entities = caption(call.parameters)
    file = _file(call, "document", "documents")
    document = {**file.wire(), "file_name": file.name, "mime_type": file.mime_type}
    return deliver(call, text=text, entities=entities, media={"document": document})


def send_photo(call: Call) -> Wire:
    text, entities = caption(call.parameters)
    file = _file(call, "photo", "photos")
    size = picture_size(file.data)
    if size is None or len(file.data) > PHOTO_BYTES_MAX:
        raise bad_request("IMAGE_PROCESS_FAILED")
    photo = {**file.wire(), "width": size[0], "height": size[1]}
    return deliver(call, text=text, entities=entities, media={"photo": [photo]})


def get_file(call: Call) -> Wire:
    file_id = call.parameters.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    file = call.bot.files.by_id(file_id)
    if file is None:
        raise bad_request("invalid file id")
    if len(file.data) > DOWNLOAD_BYTES_MAX:
        raise bad_request("file is too big")
    return {**file.wire(), "file_path": file.path}


def _file(call: Call, field: str, folder: str) -> StoredFile:
    """The file in that field: uploaded, attached, or known by its id; or raise Refusal."""
    upload = call.parameters.upload(field)
    if upload is not None:
        if len(upload.data) > UPLOAD_BYTES_MAX:
            raise Refusal(413, "Request Entity Too Large")
        return call.bot.files.put(folder, upload.name, upload.mime_type, upload.data)
    value = call.parameters.text(field)
    if not value:
        raise bad_request(f"there is no {field} in the request")
    if value.startswith(("http://", "https://")):
        raise not_implemented("does not fetch files from URLs; upload the file")
    file = call.bot.files.by_id(value)
    if file is None:
        raise bad_request("wrong file identifier/HTTP URL specified")
    return file


METHODS: Methods = {
    "sendDocument": send_document,
    "sendPhoto": send_photo,
    "getFile": get_file,
}
