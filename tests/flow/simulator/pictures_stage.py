"""Pictures, sound and film for tests, made on the spot."""

from __future__ import annotations

import io
import struct
import wave

from PIL import Image


def picture(width: int = 320, height: int = 200, kind: str = "PNG", colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind)
    return buffer.getvalue()


def sound(seconds: int = 3) -> bytes:
    """A WAV of silence."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(1)
        recording.setframerate(1000)
        recording.writeframes(bytes(1000 * seconds))
    return buffer.getvalue()


def film(width: int = 640, height: int = 360, seconds: int = 7) -> bytes:
    """An MP4 that is all header."""
    movie = _box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 1000 * seconds) + bytes(80))
    track = _box(b"trak", _box(b"tkhd", bytes(76) + struct.pack(">II", width << 16, height << 16)))
    return _box(b"ftyp", b"isom\x00\x00\x02\x00isom") + _box(b"moov", movie + track) + _box(b"mdat", bytes(64))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content
