"""Signing what Mini Apps and login pages are handed, as Telegram does, and the key pair that stands for Telegram's.

HMAC-SHA256 under the bot's token, in two derivations, and Ed25519 for third parties (RFC 8032). The latter is written
out here in plain integers: it signs a few strings for tests, so that it takes milliseconds and leaks timing does not
matter, and a dependency that does would have to be installed by everybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

_PRIME = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _PRIME) % _PRIME
_Point = tuple[int, int, int, int]
"""A point of the curve in extended coordinates: x·z, y·z, z, x·y·z."""
_BASE_Y = 4 * pow(5, -1, _PRIME) % _PRIME


def web_app_hash(token: str, fields: dict[str, str]) -> str:
    """The `hash` of initData."""
    secret = hmac.digest(b"WebAppData", token.encode(), "sha256")
    return hmac.new(secret, check_string(fields).encode(), "sha256").hexdigest()


def login_hash(token: str, fields: dict[str, str]) -> str:
    """The `hash` that a `login_url` button adds; its secret is derived otherwise than a Mini App's."""
    secret = hashlib.sha256(token.encode()).digest()
    return hmac.new(secret, check_string(fields).encode(), "sha256").hexdigest()


def third_party_signature(seed: bytes, bot_id: int, fields: dict[str, str]) -> str:
    """The `signature` of initData, which can be checked without the token."""
    signed = f"{bot_id}:WebAppData\n{check_string(fields)}"
    return base64.urlsafe_b64encode(sign(seed, signed.encode())).decode().rstrip("=")


def check_string(fields: dict[str, str]) -> str:
    """The fields as they are signed: sorted, a line each."""
    return "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))


# Ed25519.


def public_key(seed: bytes) -> bytes:
    """The public key that belongs to a secret of 32 bytes."""
    return _packed(_times(_secret(seed)[0], _base()))


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature of a message, 64 bytes."""
    scalar, prefix = _secret(seed)
    nonce = _number(hashlib.sha512(prefix + message).digest()) % _ORDER
    commitment = _packed(_times(nonce, _base()))
    challenge = _number(hashlib.sha512(commitment + public_key(seed) + message).digest()) % _ORDER
    return commitment + ((nonce + challenge * scalar) % _ORDER).to_bytes(32, "little")


def _secret(seed: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(seed).digest()
    scalar = _number(digest[:32]) & (2**254 - 8) | 2**254
    return scalar, digest[32:]


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "little")


def _base() -> _Point:
    x = _x_of(_BASE_Y)
    return x, _BASE_Y, 1, x * _BASE_Y % _PRIME


def _x_of(y: int) -> int:
    """The even one of the two x for a y that is on the curve."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _PRIME) % _PRIME
    x = pow(square, (_PRIME + 3) // 8, _PRIME)
    if (x * x - square) % _PRIME:
        x = x * pow(2, (_PRIME - 1) // 4, _PRIME) % _PRIME
    return x if x % 2 == 0 else _PRIME - x


def _sum(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _PRIME
    b = (p[1] + p[0]) * (q[1] + q[0]) % _PRIME
    c = 2 * p[3] * q[3] * _D % _PRIME
    d = 2 * p[2] * q[2] % _PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _PRIME, g * h % _PRIME, f * g % _PRIME, e * h % _PRIME


def _times(factor: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while factor:
        if factor & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        factor >>= 1
    return total


def _packed(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _PRIME)
    x, y = point[0] * inverse % _PRIME, point[1] * inverse % _PRIME
    return (y | (x & 1) << 255).to_bytes(32, "little")
