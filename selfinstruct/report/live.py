"""A read-only web page of a run in progress, for `selfinstruct serve`, for this machine or for clients with a token.

`/` is the page, `/live.json` the figures that it requests every two seconds, and `/report` the run's report, which is
rendered again after a change of the journal. Without a token, the Host header must name this machine, so that no web
page elsewhere can read the run under a domain of its own (DNS rebinding). With a token, each request must contain it:
the first in the address, later ones in a cookie.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from ..core.counted import dollars
from ..core.errors import SelfInstructError, UsageError
from ..core.visible import visible
from ..dataset.linguistics import WordList
from ..journal.folder import JOURNAL, Run
from ..journal.snapshot import Snapshot, VerdictRow, read
from .page.measure import measure, moments, pace, speed
from .page.page import render, report_page
from .page.record_rows import select, texts_of

_LAST = 8
_TEXT_CHARS = 4000


class Live:
    """A run that is read again and again. Raises UsageError if `path` is not a run's folder."""

    def __init__(self, path: str | Path) -> None:
        self.run = Run(path)

    def look(self) -> dict[str, Any]:
        """Return the current figures. `score` is ROUGE-L F to the nearest text; unknown figures are None."""
        # One snapshot, so that the figures are consistent.
        with read(self.run) as snapshot:
            status = snapshot.status
            in_flight = snapshot.journal.meta("in_flight") if status.running else None
            admitted = [_task(snapshot, verdict) for verdict in snapshot.last_admitted(_LAST)]
            refused = [_task(snapshot, verdict) for verdict in snapshot.last_rejected(_LAST)]
            open_jobs = [visible(line) for line in status.waiting]
            arrivals, by_question = snapshot.arrivals(), snapshot.yields()
        # The time since the last answer counts, too: a teacher that has stopped answering has no speed.
        last_at = arrivals[-1][0] if arrivals else None
        if status.running:
            arrivals.append((time.time(), None, 0, 0, 0.0, 1, None))
        points = moments(arrivals, by_question)
        tasks = speed(points)
        rate = None if tasks is None else tasks * status.records / max(status.admitted, 1)
        left = max(status.target - status.records, 0)
        return {
            "name": visible(self.run.name),
            "running": status.running,
            "outcome": visible(status.last_start),
            "teacher": visible(status.teacher),
            "strategy": visible(status.strategy),
            "records": status.records,
            "target": status.target,
            "admitted": status.admitted,
            "proposed": status.proposed,
            "acceptance": status.acceptance,
            "questions": status.questions,
            "requests": status.requests,
            "unanswered": status.unanswered,
            "in_flight": int(in_flight) if in_flight else 0,
            "tokens": status.prompt_tokens + status.completion_tokens,
            "cost": dollars(status.cost_usd),
            "reasons": sorted(status.refused.items(), key=lambda item: (-item[1], item[0]))[:_LAST],
            "open_jobs": open_jobs,
            "records_per_minute": rate,
            "minutes_left": left / rate if rate else None,
            "minutes_of_work": points[-1].seconds / 60 if points else 0.0,
            "minutes_since_answer": None if last_at is None else max(time.time() - last_at, 0.0) / 60,
            "tasks_per_minute": pace(points),
            "last_admitted": admitted,
            "last_refused": refused,
        }

    def changed(self) -> tuple[float, int]:
        """Return modification time and size of the journal, which differ after every write."""
        files = [self.run.path / name for name in (JOURNAL, f"{JOURNAL}-wal")]
        stats = [path.stat() for path in files if path.exists()]
        return max((stat.st_mtime for stat in stats), default=0.0), sum(stat.st_size for stat in stats)


def _task(snapshot: Snapshot, verdict: VerdictRow) -> dict[str, Any]:
    """Return a task with its texts; for a refused one, with the reason."""
    record = snapshot.journal.ledger.record(verdict.question, verdict.idx) if verdict.reason is None else None
    texts = [("Instruction", record.instruction if record else verdict.instruction)]
    for given, output in texts_of(record) if record else ():
        texts += [("Input", given), ("Output", output)]
    return {
        # A verdict on a whole answer has no index.
        "id": f"q{verdict.question}" if verdict.idx < 0 else f"q{verdict.question}.{verdict.idx}",
        "texts": [(name, visible(text[:_TEXT_CHARS])) for name, text in texts if text],
        "score": verdict.score,
        "nearest": visible(verdict.nearest) if verdict.nearest else None,
        "stage": verdict.stage,
        "reason": visible(verdict.reason or ""),
        "detail": visible(verdict.detail[:_TEXT_CHARS]),
    }


LEAST_TOKEN = 16
"""Minimum length of a token, in characters."""
REPORT_RECORDS = 2000
"""Maximum number of records, and of rejected candidates, in the report: a page of some hundred kilobytes."""
_REPORT_EVERY_S = 5.0
MOST_BYTES = 4 * 1024 * 1024
"""Maximum length of a decision that a page sends."""
REVIEW = "/review"
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
    """Raise UsageError for a token that is easy to guess, and for a public address without a token."""
    if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise UsageError(f"--token: too weak; use at least {LEAST_TOKEN} printable ASCII characters")
    if token is None and not _is_loopback(host):
        raise UsageError(f"--host {host}: other machines could read the run; set a --token, or use 127.0.0.1")


@asynccontextmanager
async def serving(
    live: Live,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    add_review: Callable[[web.Application, str], None] | None = None,
) -> AsyncIterator[str]:
    """Serve a run and yield the page's address. Port 0 selects a free one; with a token, requests must contain it.

    add_review: adds the page of reviews at a place such as '/review'. That page writes, so a token must be set.

    Raises UsageError if the server can't listen there, or if anyone could read the run.
    """
    check_place(host, token)
    app = _Server(live, token).application(bool(add_review))
    if add_review is not None:
        add_review(app, REVIEW)
    async with listening(app, host, port) as bound:
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{bound}/" + (f"?token={token}" if token else "")


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve an application, and yield its port. Raises UsageError if it can't listen there."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise UsageError(f"--host {host} --port {port}: {error.strerror or error}") from None
        yield runner.addresses[0][1]  # with port 0, the system selects the port
    finally:
        await runner.cleanup()


def _bytes(text: str) -> bytes:
    """Return a header's bytes: aiohttp keeps those that are no UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """The middleware of a page: who may read it, and what browsers may do with it."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Reject requests without the right host or token, convert exceptions, and set security headers."""
        if not self._is_allowed_host(request.headers.get("Host", "")):
            return web.Response(status=403, text="this server does not answer to that host name\n")
        given = request.query.get("token") or request.cookies.get(_COOKIE, "")
        if self._token is not None and not hmac.compare_digest(_bytes(given), _bytes(self._token)):
            text = "the token is missing or wrong; use the address that selfinstruct printed\n"
            return web.Response(status=403, text=text)
        # Call the handler; an error of the journal may pass, so it is a 503.
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

    def _is_allowed_host(self, host: str) -> bool:
        """Return whether the Host header is allowed: with a token always, otherwise only for this machine."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host  # '[::1]:8000' -> '[::1]'
        return self._token is not None or _is_loopback(name.strip("[]"))


class _Server:
    def __init__(self, live: Live, token: str | None) -> None:
        self._live, self._guard = live, Guard(token)
        self._rendering = asyncio.Lock()
        # The last report: state of the journal, time of rendering, HTML.
        self._report: tuple[tuple[float, int], float, str] | None = None

    def application(self, reviewed: bool = False) -> web.Application:
        # Edits of a review are as long as records.
        app = web.Application(middlewares=[self._guard.check], client_max_size=MOST_BYTES if reviewed else 1024)
        self._review = f"{REVIEW}/" if reviewed else ""
        app.router.add_get("/", self._page)
        app.router.add_get("/live.json", self._figures)
        app.router.add_get("/report", self._report_page)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        name = self._live.run.name
        text = render("live.html", ["page.js", "live.js"], name=name, review=self._review)
        return web.Response(text=text, content_type="text/html")

    async def _figures(self, request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self._live.look))

    async def _report_page(self, request: web.Request) -> web.Response:
        # Render at most one report at a time, and none more often than every `_REPORT_EVERY_S` seconds.
        async with self._rendering:
            state, report = self._live.changed(), self._report
            if report is None or (report[0] != state and time.monotonic() - report[1] > _REPORT_EVERY_S):
                report = self._report = (state, time.monotonic(), await asyncio.to_thread(self._render_report))
        return web.Response(text=report[2], content_type="text/html")

    def _render_report(self) -> str:
        with read(self._live.run) as snapshot:
            return report_page(measure(snapshot, WordList()), select(snapshot, REPORT_RECORDS))
