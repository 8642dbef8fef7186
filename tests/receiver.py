"""A server on loopback that takes whatever is posted to it, as a webhook does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Post:
    """One request: where it went, its headers in lower case, its body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What came, in order. code: what is answered; location: a header of that name; hold: answers wait for it."""

    address: str
    posts: list[Post] = field(default_factory=list)
    code: int = 200
    location: str | None = None
    hold: threading.Event | None = None


@contextmanager
def receiving(code: int = 200, location: str | None = None, hold: threading.Event | None = None) -> Iterator[Receiver]:
    """Run one until the block is left."""
    receiver = Receiver("", code=code, location=location, hold=hold)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.posts.append(Post(self.path, headers, body))
            if receiver.hold is not None:
                receiver.hold.wait(60)
            self.send_response(receiver.code)
            if receiver.location is not None:
                self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
