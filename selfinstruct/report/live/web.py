"""The server: three addresses to read, none to write, for this machine or for those who know a token.

`/` is the page, `/live.json` what it asks for every two seconds, `/report` the run's report, made anew when the journal
has changed. Without a token a request must name this machine, so that no page elsewhere can read the run under a name
of its own (DNS rebinding); with one it must bring it, in the address once, then as a cookie.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from ...core.errors import SelfInstructError, UsageError
from ...dataset.linguistics import WordList
from ...journal.snapshot import read
from ..page.measure import measure
from ..page.page import render, report_page
from ..page.record_rows import select
from .live import Live

LEAST_TOKEN = 16
"""Characters of a token that nobody guesses."""
REPORT_RECORDS = 2000
"""Records, and refused candidates, in the report's table: a page of some hundred kilobytes."""
_REPORT_EVERY_S = 5.0
_COOKIE = "selfinstruct_token"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def check_place(host: str, token: str | None) -> None:
    """Raises UsageError for a place that others could read without a token, and for a token that can be guessed."""
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise UsageError(f"--token: at least {LEAST_TOKEN} printable ASCII characters")
    if token is None and not _loopback(host):
        raise UsageError(f"--host {host}: others could read the run there; give a --token, or stay on 127.0.0.1")


@asynccontextmanager
async def serving(live: Live, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> AsyncIterator[str]:
    """Serve a run; yields the page's address. port 0 takes a free one. Raises UsageError where it can't listen."""
    check_place(host, token)
    server = _Server(live, token)
    runner = web.AppRunner(server.application(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(f"--host {host} --port {port}: {error.strerror or error}") from None
        bound = runner.addresses[0][1]
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{bound}/" + (f"?token={token}" if token else "")
    finally:
        await runner.cleanup()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server:
    def __init__(self, live: Live, token: str | None) -> None:
        self._live, self._token = live, token
        self._making = asyncio.Lock()
        self._report: tuple[tuple[float, int], float, str] | None = None

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=1024)
        app.router.add_get("/", self._page)
        app.router.add_get("/live.json", self._look)
        app.router.add_get("/report", self._whole)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Who may read, and how what they get may be used."""
        if not self._is_ours(request.headers.get("Host", "")):
            return web.Response(status=403, text="this server is not known by that name\n")
        given = request.query.get("token") or request.cookies.get(_COOKIE, "")
        if self._token is not None and not hmac.compare_digest(given.encode(), self._token.encode()):
            return web.Response(status=403, text="the token is missing or wrong; it stands in the address printed\n")
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=f"{error.reason}\n")
        except SelfInstructError as error:
            response = web.Response(status=503, text=f"{error}\n")
        response.headers.update(_HEADERS)
        if self._token is not None:
            response.set_cookie(_COOKIE, self._token, httponly=True, samesite="Strict")
        return response

    def _is_ours(self, host: str) -> bool:
        """Whether a request may name this host: with a token any, without one this machine's own names."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return self._token is not None or _loopback(name.strip("[]"))

    async def _page(self, request: web.Request) -> web.Response:
        name = self._live.run.name
        return web.Response(text=render("live.html", ["page.js", "live.js"], name=name), content_type="text/html")

    async def _look(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._live.look))

    async def _whole(self, request: web.Request) -> web.Response:
        async with self._making:
            now, known = self._live.changed(), self._report
            if known is None or (known[0] != now and time.monotonic() - known[1] > _REPORT_EVERY_S):
                known = self._report = (now, time.monotonic(), await asyncio.to_thread(self._make))
        return web.Response(text=known[2], content_type="text/html")

    def _make(self) -> str:
        with read(self._live.run) as snapshot:
            return report_page(measure(snapshot, WordList()), select(snapshot, REPORT_RECORDS))
