"""The life of one batch job: made, or found again where a kill came between; waited for; its results read.

What makes a kill harmless is the order. A job stands in the run's file before anything of it leaves, and bears
the run's token, its number and the file's digest at the provider. So a later start finds it there, or knows that
it never came about: its questions are answered by it or by a new one, never by both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...core.errors import TeacherDown, TeacherRefused
from ...core.prompts import BatchJob, Question
from ..openai.batches import ENDED, BatchApi, NoRoom, Remote, Unreachable
from .results import Again, Found, read_results

_PATIENCE = 20
"""Looks in a row that may fail before the server counts as down; the SDK has tried each several times."""
_FIRST_PAUSE_S = 1.0


class Notes(Protocol):
    """Where the jobs are written down; `jobs.Jobs` in a run."""

    def run_token(self) -> str: ...
    def open(self) -> list[tuple[BatchJob, list[Question]]]: ...
    def plan(self, digest: str, questions: Sequence[Question]) -> BatchJob: ...
    def note(self, number: int, batch: str | None, note: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of questions and the endpoint that they are for."""

    path: str
    data: bytes


class Courier:
    """Brings jobs up and results down. waits: called with a job's number and how it stands whenever it goes on."""

    def __init__(self, api: BatchApi, notes: Notes, poll_s: float, waits: Callable[[int, str], None]) -> None:
        self._api, self._notes, self._poll_s, self._waits = api, notes, poll_s, waits

    async def bring(self, job: BatchJob, questions: Sequence[Question], upload: Upload | None) -> dict[str, Found]:
        """What the job has found for each of `questions`, by key. upload: what to make it of where it isn't made yet.

        Raises NoRoom when the account's queue doesn't take it, TeacherRefused when the server doesn't, TeacherDown
        when it can't be reached for long.
        """
        batch, tried, troubles = job.batch, False, 0
        for pause_s in _pauses(self._poll_s):
            try:
                if batch is None and upload is not None:
                    again, tried = tried, True
                    batch = await self._made(job, upload, again)
                assert batch is not None
                remote = await self._api.retrieve(batch)
                if remote.status == "failed":
                    self._failed(job, remote)
                if remote.status in ENDED:
                    return await self._results(job, remote, questions)
            except Unreachable as error:
                troubles += 1
                if troubles > _PATIENCE:
                    raise TeacherDown(f"batch job {job.number}: {error}; start again later, nothing is lost") from None
            else:
                troubles = 0
                self._waits(job.number, f"{batch} is {remote.status}")
            await asyncio.sleep(pause_s)
        raise AssertionError("pauses never end")

    async def find(self, job: BatchJob) -> str | None:
        """The provider's id of a job that may have been made without its id being noted, or None: it never was.

        Raises TeacherDown when the server can't be asked.
        """
        try:
            remote = await self._api.find(job, self._metadata(job))
        except (Unreachable, NoRoom) as error:
            raise TeacherDown(f"batch job {job.number}: {error}; start again when the server is back") from None
        return None if remote is None else self._noted(job, remote)

    async def _made(self, job: BatchJob, upload: Upload, again: bool) -> str:
        """The id of the job, made now; found where an earlier try may have made it though its answer was lost."""
        metadata = self._metadata(job)
        if again:
            remote = await self._api.find(job, metadata)
            if remote is not None:
                return self._noted(job, remote)
        file = await self._api.upload(f"{metadata['selfinstruct_run']}-{job.number}.jsonl", upload.data)
        return self._noted(job, await self._api.create(file, upload.path, metadata))

    def _noted(self, job: BatchJob, remote: Remote) -> str:
        self._notes.note(job.number, remote.id, remote.status)
        return remote.id

    def _metadata(self, job: BatchJob) -> dict[str, str]:
        return {
            "selfinstruct_run": self._notes.run_token(),
            "selfinstruct_job": str(job.number),
            "selfinstruct_sha256": job.digest,
        }

    def _failed(self, job: BatchJob, remote: Remote) -> None:
        """Nothing of it was executed: let it go, so that a later start makes another."""
        self._notes.note(job.number, None, f"{remote.id} failed: {remote.errors}")
        if remote.full:
            raise NoRoom(remote.errors)
        raise TeacherRefused(f"batch job {remote.id} was refused: {remote.errors or 'no reason given'}")

    async def _results(self, job: BatchJob, remote: Remote, questions: Sequence[Question]) -> dict[str, Found]:
        ids = [file for file in (remote.output_file, remote.error_file) if file is not None]
        contents = [await self._api.content(file) for file in ids]
        there = [content for content in contents if content is not None]
        found, useless = read_results(there, {question.key: question.prompt for question in questions})
        reason = f"the job is {remote.status} and has no row of it"
        if len(there) < len(ids):
            reason = "the job's results are gone at the server"
        every: dict[str, Found] = {question.key: found.get(question.key, Again(reason)) for question in questions}
        again = sum(isinstance(one, Again) for one in every.values())
        note = f"{remote.status}: {len(every) - again} answered, {again} without an answer, {useless} useless rows"
        self._notes.note(job.number, remote.id, note)
        return every


def _pauses(longest_s: float) -> Iterator[float]:
    """Seconds between looks: short at first, half as long again each time, up to the longest."""
    pause_s = min(_FIRST_PAUSE_S, longest_s)
    while True:
        yield pause_s
        pause_s = min(pause_s * 1.5, longest_s)
