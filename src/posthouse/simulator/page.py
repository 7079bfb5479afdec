"""The chat page: a folder of built files, served at `/`.

    /                 index.html, asked for anew each time
    /assets/<name>    files named after their content, kept by the browser for ever

The files are made from `web/chat` by `make page`, and by the build of the package. The page asks for nothing outside
its own origin, and its content security policy holds it to that. Where the files are missing, `/` says how to get
them; every other path stays the JSON 404 of the Bot API.
"""

from __future__ import annotations

from pathlib import Path

from posthouse.simulator.bot_api import Receive, Scope, Send

FOLDER = Path(__file__).parent / "page"
CONTENT_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".json": b"application/json",
}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    b"media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'"
)
MISSING = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Posthouse simulator</title>
<body style="font:16px/1.5 system-ui;margin:3rem auto;max-width:40rem;padding:0 1rem">
<h1>The chat page is not built</h1>
<p>The simulator itself runs: bots talk to it as to Telegram, people act over <a href="/sim/v1/docs">/sim/v1</a>.</p>
<p>In a checkout run <code>make page</code> (it fetches a few packages from the npm registry) and load this page again.
An installed package brings the page along.</p>"""


class Page:
    """Serves the built page, or explains where it is."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    @property
    def built(self) -> bool:
        return (self.folder / "index.html").is_file()

    def has(self, path: str) -> bool:
        """Whether this path is the page's to answer."""
        return path == "/" or self._file(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self._file(scope["path"])
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"text/plain; charset=utf-8", b"only GET", b"no-store", head=False)
        elif file is None:
            await _answer(send, 503, CONTENT_TYPES[".html"], MISSING, b"no-store", head=scope["method"] == "HEAD")
        else:
            keeping = b"public, max-age=31536000, immutable" if file.parent != self.folder else b"no-cache"
            kind = CONTENT_TYPES.get(file.suffix, b"application/octet-stream")
            await _answer(send, 200, kind, file.read_bytes(), keeping, head=scope["method"] == "HEAD")

    def _file(self, path: str) -> Path | None:
        if path == "/":
            return self.folder / "index.html" if self.built else None
        folder, _, name = path.removeprefix("/").rpartition("/")
        if folder not in ("", "assets") or not name or name.startswith(".") or name == "README":
            return None
        file = self.folder / folder / name
        return file if file.is_file() else None


async def _answer(send: Send, status: int, kind: bytes, body: bytes, keeping: bytes, *, head: bool) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", keeping),
        (b"content-security-policy", POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
