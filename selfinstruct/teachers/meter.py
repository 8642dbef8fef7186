"""The seam between a teacher and the budget: every single request is reserved before it leaves, and its end is told.

A question may take several requests: retries, and each step of a redirect. A provider may bill a request that brings no
answer, so each one counts. `ask` sets the meter of a question; the HTTP client of the OpenAI teacher calls it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

UNSURE_STATUSES = frozenset({408, 499})
"""Statuses below 500 with which a server or a proxy gives up on a request that may be in progress."""


class Meter(Protocol):
    """Accounts for the requests of one question: `begin`, `leave`, and, if the request brings no answer, `end`."""

    async def begin(self) -> None:
        """Reserve the next request; wait until it fits. An exception means that it must not be sent."""

    def leave(self) -> None:
        """The reserved request leaves."""

    def end(self, *, billed: bool) -> None:
        """The request is over and brought no answer. billed: whether the provider may bill it."""


class _Unmetered:
    async def begin(self) -> None: ...

    def leave(self) -> None: ...

    def end(self, *, billed: bool) -> None: ...


METER: ContextVar[Meter] = ContextVar("METER", default=_Unmetered())  # noqa: B039
"""The meter of the question that is asked in this context. It's a context variable because a teacher's `complete` has
no parameter for it, and because the SDK passes none on."""


def may_be_billed(status: int) -> bool:
    """Return whether a provider may bill a request that it answered with an error or a redirect.

    A redirect and a client error (400, 401, 403, 404, 422, 429, ...) mean that no model ran. After a server error, or a
    timeout of a proxy, one may have.
    """
    return status >= 500 or status in UNSURE_STATUSES
