"""Webhooks over TLS: a certificate of one's own, a fixed address, and what goes wrong without them."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiogram import Bot
from aiogram.types import FSInputFile
from aiohttp import web
from simulator_stage import TOKEN, Receiver

from posthouse.testing.town import Person, Town


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for bot.example, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("nothing on this machine makes certificates (openssl)")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=bot.example"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-addext", "subjectAltName=DNS:bot.example", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made, key


@pytest.fixture
async def secured(certificate: tuple[Path, Path]) -> AsyncIterator[tuple[Receiver, int]]:
    """A receiver that speaks TLS, and its port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield receiver, runner.addresses[0][1]
    await runner.cleanup()


async def test_an_own_certificate_and_a_fixed_address(
    bot: Bot, ann: Person, secured: tuple[Receiver, int], certificate: tuple[Path, Path]
) -> None:
    """The host's name is in the request and in the handshake, the connection goes to the address."""
    receiver, port = secured
    upload = FSInputFile(certificate[0])
    await bot.set_webhook(f"https://bot.example:{port}/hook", certificate=upload, ip_address="127.0.0.1")
    info = await bot.get_webhook_info()
    assert (info.has_custom_certificate, info.ip_address) == (True, "127.0.0.1")
    await ann.says("hello", to=TOKEN)
    await receiver.has(1)
    assert receiver.headers[0]["Host"] == f"bot.example:{port}"


async def test_a_certificate_that_nobody_trusts_is_reported(
    bot: Bot, town: Town, ann: Person, secured: tuple[Receiver, int]
) -> None:
    """Without the upload, the attempt fails before anything is sent."""
    receiver, port = secured
    await bot.set_webhook(f"https://bot.example:{port}/hook", ip_address="127.0.0.1")
    await ann.says("hello", to=TOKEN)
    (failed, *_) = await town.deliveries(count=1)
    assert (failed.error or "").startswith("Can't create an SSL connection: ")
    assert receiver.got == []
