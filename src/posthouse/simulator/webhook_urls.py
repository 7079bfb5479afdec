"""Which webhook URLs are taken: a strict server's rules, and the lenient ones that are the default.

| | lenient (default) | strict, as the public server |
|---|---|---|
| scheme | https; http for hosts that only this machine or its neighbours can mean | https |
| port | any | 443, 80, 88, 8443 |
| address | any, not looked up | looked up; IPv4 only, reserved ranges refused |

The texts are the server's (facts, 3.1). Deliberately absent on both sides: opening a socket before saying yes.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from posthouse.simulator.refusals import bad_request

PORTS = (443, 80, 88, 8443)


def parse_url(written: str) -> SplitResult:
    """The URL in parts, https unless it says otherwise; or raise Refusal."""
    try:
        parts = urlsplit(written if "://" in written else f"https://{written}")
        _ = parts.port
    except ValueError:
        raise bad_request("invalid webhook URL specified") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c <= " " for c in written):
        raise bad_request("invalid webhook URL specified")
    return parts


def check_lenient(parts: SplitResult, address: str) -> None:
    """Raise Refusal for plain http to somewhere far."""
    host = parts.hostname or ""
    if parts.scheme == "http" and not _is_near(host):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if address:
        _parse_address(address)


async def check_strict(parts: SplitResult, address: str) -> str:
    """The IPv4 address that requests will go to, or raise Refusal as the public server does."""
    if parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if (parts.port or 443) not in PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    found = _parse_address(address) if address else await _resolve(parts.hostname or "")
    if isinstance(found, IPv6Address):
        raise bad_request("bad webhook: IPv6-only addresses are not allowed")
    if not found.is_global or found.is_multicast:
        raise bad_request(f"bad webhook: IP address {found} is reserved")
    return str(found)


def known_address(parts: SplitResult) -> str:
    """The address that a host is without asking anybody; empty if there is none."""
    host = parts.hostname or ""
    try:
        return str(ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else ""


def _parse_address(written: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(written.strip("[]"))
    except ValueError:
        raise bad_request("bad webhook: Invalid IP address specified") from None


async def _resolve(host: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise bad_request("bad webhook: Failed to resolve host: Name or service not known") from None
    addresses = [ip_address(entry[4][0]) for entry in found]
    return next((address for address in addresses if address.version == 4), addresses[0])


def _is_near(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".test"))
    return address.is_loopback or address.is_private
