"""The addresses of other servers, as messages and logs may show them."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Host, port and path of a URL: never its user and password. A URL without a host is a local socket's."""
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or 'local socket'}{port}{parts.path}"
