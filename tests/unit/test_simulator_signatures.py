"""What a Mini App is handed can be checked by anybody who knows how Telegram signs."""

from __future__ import annotations

import pytest

from posthouse.simulator.signatures import login_hash, public_key, sign, web_app_hash

# RFC 8032, section 7.1: secret, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_ed25519_agrees_with_its_standard(secret: str, public: str, message: str, signature: str) -> None:
    """The published vectors come out."""
    seed = bytes.fromhex(secret)
    assert public_key(seed).hex() == public
    assert sign(seed, bytes.fromhex(message)).hex() == signature


def test_the_two_derivations_differ() -> None:
    """A login's hash is no Mini App's hash, and both depend on the token and on every field."""
    fields = {"id": "1", "auth_date": "2"}
    hashes = {
        login_hash("1:a", fields),
        web_app_hash("1:a", fields),
        web_app_hash("1:b", fields),
        web_app_hash("1:a", {**fields, "id": "2"}),
    }
    assert len(hashes) == 4
