"""What a teacher is: the one method that yours needs, and everything that a teacher may offer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from ..core.prompts import Asking, Completion, Prompt, Question


class Teacher(Protocol):
    """A model that answers prompts. An object of your own needs only this method.

    It may also offer any part of `FullTeacher`.
    """

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the answer; a bad answer is a Completion with `error`. Raises TeacherError to end the run."""


class FullTeacher(Teacher, Protocol):
    """Everything that a teacher may offer. `full` fills in what a teacher lacks.

    A context manager: entering starts the teacher (a server, a connection pool), leaving stops it.
    """

    @property
    def asking(self) -> Asking | None:
        """How the teacher wants to be asked; None: as the configuration says."""

    @property
    def under_way(self) -> Sequence[Question]:
        """Questions that an earlier start left with the teacher, such as in a batch job; known once it is entered."""

    async def complete_question(self, question: Question) -> Completion:
        """Return the answer to a question that has a key, so that it can be found again after a restart."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def full(teacher: Teacher) -> FullTeacher:
    """Return `teacher` with everything that a teacher may offer. The only place that looks for optional members."""
    return teacher if isinstance(teacher, _Completed) else _Completed(teacher)


class _Completed:
    """A teacher with defaults for the members that it lacks."""

    def __init__(self, teacher: Any) -> None:
        self._teacher = teacher
        self._stack = AsyncExitStack()
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

    async def _complete_question(self, question: Question) -> Completion:
        completion: Completion = await self._teacher.complete(question.prompt)
        return completion

    async def __aenter__(self) -> Self:
        if hasattr(self._teacher, "__aenter__"):
            await self._stack.enter_async_context(self._teacher)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
