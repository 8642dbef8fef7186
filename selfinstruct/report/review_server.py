"""The page of `selfinstruct review`: shows records, and commits each decision before it confirms it.

`/items` is the queue as JSON; `/decide` takes one decision and answers with the record's new state once the decision is
on disk; `/end` is what came of all decisions. Every request needs the token of the address that the command prints. The
pages of a blind reading (`worth --read`) are served in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from ..core.errors import ConfigError, UsageError
from ..core.reviews import REASONS, Review, audits_of, checked_edit, checked_name, standing
from ..core.tasks import storable
from ..journal.folder import JOURNAL, check_folder
from ..journal.journal import Journal
from ..journal.snapshot import read
from .like_this import FILTERS, LikeThis
from .live import MOST_BYTES, Guard, listening
from .page.page import render
from .review_queue import Item, described, queue, sample_name


class Reviewing:
    """The reviews of one run by one person, and its journal, open for writing. Another process may work on the run.

    items: what to review, in order. audit: the name of the random sample; empty without one.
    """

    def __init__(
        self,
        path: Path,
        reviewer: str,
        order: str = "uncertain",
        audit: int | None = None,
        config: Path | None = None,
        *,
        may_be_empty: bool = False,
    ) -> None:
        """Raise UsageError if `path` is no run's folder, if the name is no name, or if nothing is there to review.

        config: the file that filters 'like this' are written to; None for the `config.yaml` of the run, if it has one.
        may_be_empty: whether to wait for the first record instead.
        """
        check_folder(path)
        self.reviewer = checked_name(reviewer)
        self._path, self._order = path, order
        own = path / "config.yaml"
        with read(path) as snapshot:
            self.name = snapshot.run.name
            self.like_this = LikeThis(snapshot.run.config, path, config or (own if own.is_file() else None))
            self.items: dict[str, Item] = {item.digest: item for item in queue(snapshot, order, audit)}
            if not self.items and not may_be_empty:
                raise UsageError(f"{path}: no record to review yet; run `selfinstruct generate` first")
            self.audit = "" if audit is None else sample_name(snapshot, list(self.items.values()), audit)
        self._journal = Journal(path / JOURNAL)
        self.decided = 0

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    @property
    def page(self) -> dict[str, Any]:
        """The template of the page, its script, and what it shows."""
        facts = {"name": self.name, "reviewer": self.reviewer, "audit": self.audit, "reasons": REASONS}
        return {"template": "review.html", "script": "review.js", "offline": "", "filters": FILTERS, **facts}

    def shown(self) -> list[dict[str, Any]]:
        """Return what the page shows of every item, in order; records that the run has finished since are among them.

        A random sample stays the one that it was.
        """
        items = self.items
        if not self.audit:
            with read(self._path) as snapshot:
                items = {item.digest: item for item in queue(snapshot, self._order)}
            self.items |= items  # a record that a start has replaced meanwhile is on pages that are open
        held = self._journal.reviews.standing()
        return [described(item, held.get(digest, ()), self.reviewer, self.audit) for digest, item in items.items()]

    def decide(self, given: Any) -> dict[str, Any]:
        """Commit one decision, and return what the page shows of its record then. Raises UsageError for a wrong one."""
        self.add([self.review_of(given)])
        item = self._item(given)
        return described(item, self._journal.reviews.standing().get(item.digest, ()), self.reviewer)

    def add(self, reviews: Sequence[Review]) -> None:
        """Commit decisions."""
        self._journal.reviews.commit(reviews)
        self.decided += len(reviews)

    def add_new(self, reviews: Sequence[Review]) -> int:
        """Commit the decisions that the journal hasn't, and return their number."""

        def what(review: Review) -> Review:
            return replace(review, at=0.0, content={})

        there = self._journal.reviews.all()
        dated = {(each.digest, each.reviewer, each.at) for each in there}
        held = {digest: [what(each) for each in found] for digest, found in standing(there).items()}
        new = [
            each
            for each in reviews
            if (each.digest, each.reviewer, each.at) not in dated
            and (each.at or what(each) not in held.get(each.digest, ()))
        ]
        self.add(new)
        return len(new)

    def review_of(self, given: Any, reviewer: str | None = None) -> Review:
        """Return the review that a page or a file states. Raises UsageError if it is none."""
        item = self._item(given)
        verdict, reasons = given.get("verdict"), given.get("reasons") or []
        note, edit = given.get("note") or "", given.get("edit")
        if verdict not in ("accept", "reject", "undo"):
            raise UsageError("verdict: must be accept, reject, or undo")
        if not isinstance(reasons, list) or not all(reason in REASONS for reason in reasons):
            raise UsageError(f"reasons: must be some of {', '.join(REASONS)}")
        if not isinstance(note, str):
            raise UsageError("note: must be a text")
        return Review(
            digest=item.digest,
            reviewer=reviewer or self.reviewer,
            verdict=verdict,
            content=item.content,
            reasons=tuple(name for name in REASONS if name in reasons) if verdict == "reject" else (),
            note=storable(note),
            edit=checked_edit(edit, item.content) if edit is not None and verdict == "accept" else None,
            audit=self.audit,
        )

    def like(self, given: Any) -> dict[str, Any]:
        """Return what a filter 'like this' would reject, or write it into the configuration if `write` is set."""
        if isinstance(given, dict) and given.get("write"):
            return self.like_this.write(given)
        return self.like_this.preview(given, self.items.values(), self._journal.reviews.standing())

    def summary(self) -> list[str]:
        """Return the lines about this random sample, or none."""
        return [
            line
            for audit in audits_of(self._journal.reviews.all())
            if audit.sample == self.audit
            for line in audit.lines
        ]

    def end(self) -> dict[str, Any]:
        """Return the lines about this random sample."""
        return {"lines": self.summary()}

    def _item(self, given: Any) -> Item:
        item = self.items.get(str(given.get("digest"))) if isinstance(given, dict) else None
        if item is None:
            raise UsageError("digest: no record to review has it; load the page again")
        return item


class Desk(Protocol):
    """What a page of decisions talks to."""

    @property
    def page(self) -> dict[str, Any]:
        """The template of the page, its script, and the values that it shows."""

    def shown(self) -> list[dict[str, Any]]:
        """Return what the page shows of every item, in order."""

    def decide(self, given: Any) -> dict[str, Any]:
        """Store one decision, and return what the page shows of its item then. Raises UsageError for a wrong one."""

    def end(self) -> dict[str, Any]:
        """Return what the page shows once everything is decided. Raises UsageError before."""


@contextlib.asynccontextmanager
async def serving_reviews(desk: Desk, port: int = 0) -> AsyncIterator[str]:
    """Serve the page on this machine, and yield its address, which contains the token. Raises UsageError."""
    token = secrets.token_urlsafe(16)
    app = web.Application(middlewares=[Guard(token).check], client_max_size=MOST_BYTES)
    add_review_routes(desk, app)
    async with listening(app, "127.0.0.1", port) as bound:
        yield f"http://127.0.0.1:{bound}/?token={token}"


def add_review_routes(desk: Desk, app: web.Application, place: str = "") -> None:
    """Let an application serve a page of decisions at `place`, such as '/review'."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=review_page(desk.page), content_type="text/html")

    def posted(work: Callable[[Any], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                given = await request.json()
            except ValueError:
                raise web.HTTPBadRequest(reason="no JSON") from None
            return await _answered(work, given)

        return answer

    async def items(request: web.Request) -> web.Response:
        return await _answered(desk.shown)

    async def end(request: web.Request) -> web.Response:
        return await _answered(desk.end)

    app.router.add_get(f"{place}/", page)
    app.router.add_get(f"{place}/items", items)
    app.router.add_get(f"{place}/end", end)
    app.router.add_post(f"{place}/decide", posted(desk.decide))
    if isinstance(desk, Reviewing):
        app.router.add_post(f"{place}/like", posted(desk.like))


def review_page(facts: dict[str, Any]) -> str:
    """Render a page of decisions. facts: its template, its script, and the values that it shows."""
    values = dict(facts)
    scripts = ["page.js", "record_view.js", values.pop("script")]
    return render(values.pop("template"), scripts, styles=("style.css", "review.css"), **values)


async def _answered(work: Callable[..., Any], *given: Any) -> web.Response:
    try:
        return web.json_response(await asyncio.to_thread(work, *given))
    except (ConfigError, UsageError) as error:
        return web.Response(status=400, text=f"{error}\n")
