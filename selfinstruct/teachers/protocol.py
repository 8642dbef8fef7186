"""The protocol of a teacher: the one method that yours needs, and the optional members.

`ask` and `generate` call teachers through `full`, which supplies the optional members. A `Meter` is the seam between a
teacher and the budget: a question may take several requests (retries, steps of a redirect), and a provider may bill one
that brings no answer, so each is reserved before it leaves, and its end is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

from ..config.plugins import check_returned
from ..core.prompts import Asking, Completion, Prompt, Question


class Teacher(Protocol):
    """A model that answers prompts. A teacher of your own needs only this method.

    A teacher may also have any member of `FullTeacher`.
    """

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the response; a bad response is a Completion with `error`. Raises TeacherError to end the run."""


class FullTeacher(Teacher, Protocol):
    """All members that a teacher may have. `full` supplies defaults for missing members.

    A context manager: entering starts the teacher (a server, a connection pool), and exiting stops the teacher.
    """

    @property
    def asking(self) -> Asking | None:
        """How to ask the teacher, or None to follow the configuration."""

    @property
    def under_way(self) -> Sequence[Question]:
        """Questions that an earlier start left with the teacher, such as in a batch job; valid once entered."""

    def remember(self, learned: str | None, note: Callable[[str], None]) -> None:
        """Continue with what an earlier start learned about the server, in the teacher's own words, or None.

        note: stores what the next start receives. A change must not change any answer that is asked for.
        """

    async def complete_question(self, question: Question) -> Completion:
        """Return the response to a question; its key lets the teacher find the response again after a restart."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def full(teacher: Teacher) -> FullTeacher:
    """Return `teacher` with all members of `FullTeacher`. No other code looks for optional members."""
    return teacher if isinstance(teacher, _WithDefaults) else _WithDefaults(teacher)


class _WithDefaults:
    """A teacher with defaults for the members that it lacks."""

    def __init__(self, teacher: Any) -> None:
        self._teacher = teacher
        self._stack = AsyncExitStack()  # empty for a teacher that is no context manager
        self.complete = teacher.complete
        self.complete_question = getattr(teacher, "complete_question", self._complete_question)

    @property
    def asking(self) -> Asking | None:
        asking: Asking | None = getattr(self._teacher, "asking", None)
        return asking

    @property
    def under_way(self) -> Sequence[Question]:
        questions: Sequence[Question] = getattr(self._teacher, "under_way", ())
        return questions

    def remember(self, learned: str | None, note: Callable[[str], None]) -> None:
        if hasattr(self._teacher, "remember"):
            self._teacher.remember(learned, note)

    async def _complete_question(self, question: Question) -> Completion:
        given = self._teacher.complete(question.prompt)
        awaitable: Any = check_returned(given, Awaitable, self._teacher, "complete")  # type: ignore[type-abstract]
        return check_returned(await awaitable, Completion, self._teacher, "complete")

    async def __aenter__(self) -> Self:
        if hasattr(self._teacher, "__aenter__"):
            await self._stack.enter_async_context(self._teacher)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.__aexit__(*error)


UNSURE_STATUSES = frozenset({408, 499})
"""Statuses below 500 with which a server or a proxy gives up on a request that may be in progress."""


class Meter(Protocol):
    """Accounts for the requests of one question: `begin`, `leave`, and, if the request brings no answer, `end`.

    A request whose answer arrives as a stream calls `receive` in between.
    """

    async def begin(self) -> None:
        """Reserve the next request; wait until it fits. An exception means that it must not be sent."""

    def leave(self) -> None:
        """The reserved request leaves."""

    def receive(self, tokens: int, limit: asyncio.Timeout | None) -> None:
        """So many more tokens have arrived. limit: ends an answer that may be cut off; what has arrived is kept."""

    def end(self, *, billed: bool) -> None:
        """The request is over and brought no answer. billed: whether the provider may bill it."""


class _Unmetered:
    async def begin(self) -> None: ...

    def leave(self) -> None: ...

    def receive(self, tokens: int, limit: asyncio.Timeout | None) -> None: ...

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
