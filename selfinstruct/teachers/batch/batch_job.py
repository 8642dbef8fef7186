"""The life cycle of one batch job: create it, or find it again after a kill; wait for it; read its results.

The order of steps makes a kill harmless. A job is recorded in the run's journal before anything is sent, and carries
the run's token, its number and the file's digest as metadata at the provider. So a later start either finds the job or
knows that it was never created: its questions are answered by this job or by a new one, never by both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...core.errors import TeacherDown, TeacherRefused
from ...core.prompts import BatchJob, Completion, Prompt, Question
from ..openai.answer_body import brief, decode, read_answer, unwrap
from ..openai.batches import ENDED, BatchApi, NoRoom, RemoteBatch, Unreachable
from ..openai.server_error import ServerError, read_error
from ..protocol import may_be_billed

_PATIENCE = 20
"""Failures in a row before the server counts as down. The SDK has retried each of them."""
_FIRST_PAUSE_S = 1.0


class Notes(Protocol):
    """Where jobs are recorded; in a run, `journal.batch_jobs.Jobs`."""

    def run_token(self) -> str: ...
    def open(self) -> list[tuple[BatchJob, list[Question]]]: ...
    def plan(self, digest: str, questions: Sequence[Question]) -> BatchJob: ...
    def note(self, number: int, batch: str | None, note: str) -> None: ...


@dataclass(frozen=True, slots=True)
class JobFile:
    """The upload of a job: a JSONL file of questions, and the endpoint for all of them."""

    path: str
    data: bytes


class JobRunner:
    """Creates jobs, waits for them and reads their results."""

    def __init__(
        self,
        api: BatchApi,
        notes: Notes,
        poll_s: float,
        report: Callable[[int, str], None],
        learn: Callable[[Prompt, ServerError], bool],
    ) -> None:
        """Send nothing yet. poll_s: longest pause between two polls of a job. learn: as of `read_results`.

        report: receives a job's number and status at each poll.
        """
        self._learn = learn
        self._api, self._notes, self._poll_s, self._report = api, notes, poll_s, report

    async def run(self, job: BatchJob, questions: Sequence[Question], upload: JobFile | None) -> dict[str, Outcome]:
        """Wait for the job to end, and return an outcome for each question, by key.

        upload: the file to create the job from if it doesn't exist yet; None if it does. Raises NoRoom if the account's
        queue is full, TeacherRefused if the server rejects the job, and TeacherDown if it has been unreachable for too
        long.
        """
        batch, tried, failures = job.batch, False, 0
        for pause_s in _pauses(self._poll_s):
            try:
                # Create the job. On a second try, an earlier one may have created it although its response was lost.
                if batch is None and upload is not None:
                    again, tried = tried, True
                    batch = await self._create(job, upload, again)
                assert batch is not None

                # Poll it.
                remote = await self._api.retrieve(batch)
                if remote.status == "failed":
                    self._raise_failed(job, remote)
                if remote.status in ENDED:
                    return await self._read(job, remote, questions)
            except Unreachable as error:
                failures += 1
                if failures > _PATIENCE:
                    raise TeacherDown(f"batch job {job.number}: {error}; start again later, nothing is lost") from None
            else:
                failures = 0
                self._report(job.number, f"{batch} is {remote.status}")
            await asyncio.sleep(pause_s)
        raise AssertionError("pauses never end")

    async def find(self, job: BatchJob) -> str | None:
        """The provider's id of a job that was planned without its id being recorded; None if it was never created.

        Raises TeacherDown if the server can't be asked.
        """
        try:
            remote = await self._api.find(job, self._metadata(job))
        except (Unreachable, NoRoom) as error:
            raise TeacherDown(f"batch job {job.number}: {error}; start again when the server is back") from None
        return None if remote is None else self._record(job, remote)

    async def _create(self, job: BatchJob, upload: JobFile, again: bool) -> str:
        """Create the job and return its id. again: an earlier try may have created it, so look for it first."""
        metadata = self._metadata(job)
        if again:
            remote = await self._api.find(job, metadata)
            if remote is not None:
                return self._record(job, remote)
        file = await self._api.upload(f"{metadata['selfinstruct_run']}-{job.number}.jsonl", upload.data)
        return self._record(job, await self._api.create(file, upload.path, metadata))

    def _record(self, job: BatchJob, remote: RemoteBatch) -> str:
        self._notes.note(job.number, remote.id, remote.status)
        return remote.id

    def _metadata(self, job: BatchJob) -> dict[str, str]:
        return {
            "selfinstruct_run": self._notes.run_token(),
            "selfinstruct_job": str(job.number),
            "selfinstruct_sha256": job.digest,
        }

    def _raise_failed(self, job: BatchJob, remote: RemoteBatch) -> None:
        """Record that the job failed before it ran anything, so that a later start creates another. Raises why."""
        self._notes.note(job.number, None, f"{remote.id} failed: {remote.errors}")
        if remote.full:
            raise NoRoom(remote.errors)
        raise TeacherRefused(f"batch job {remote.id} was refused: {remote.errors or 'no reason given'}")

    async def _read(self, job: BatchJob, remote: RemoteBatch, questions: Sequence[Question]) -> dict[str, Outcome]:
        """Download the job's files and record a summary. A question without a line gets the reason why."""
        ids = [file for file in (remote.output_file, remote.error_file) if file is not None]
        contents = [await self._api.content(file) for file in ids]
        present = [content for content in contents if content is not None]
        found, unused = read_results(present, {each.key: each.prompt for each in questions}, self._learn)

        # A question without a line is asked again.
        reason = f"the job is {remote.status} and has no row of it"
        if len(present) < len(ids):
            reason = "the job's results are gone at the server"
        every: dict[str, Outcome] = {question.key: found.get(question.key, NoAnswer(reason)) for question in questions}
        again = sum(isinstance(one, NoAnswer) for one in every.values())
        note = f"{remote.status}: {len(every) - again} answered, {again} without an answer, {unused} useless rows"
        self._notes.note(job.number, remote.id, note)
        return every


def _pauses(longest_s: float) -> Iterator[float]:
    """Seconds between polls: short at first, 1.5 times as long each time, up to `longest_s`."""
    pause_s = min(_FIRST_PAUSE_S, longest_s)
    while True:
        yield pause_s
        pause_s = min(pause_s * 1.5, longest_s)


_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A question has no answer for a temporary reason.

    counts: whether it used up one of the question's tries. billed: whether the provider may bill it nevertheless.
    """

    reason: str
    counts: bool = True
    billed: bool = True


Outcome = Completion | NoAnswer


def read_results(
    files: Iterable[bytes],
    prompts: Mapping[str, Prompt],
    learn: Callable[[Prompt, ServerError], bool] = lambda _prompt, _error: False,
) -> tuple[dict[str, Outcome], int]:
    """The outcome for each key of `prompts` that has a line, and the number of unused lines.

    If a question has two lines, an answer wins over an error, and an error over a temporary reason; otherwise the first
    line wins. learn: returns whether a request that was refused can be asked again in another way.
    """
    found: dict[str, Outcome] = {}
    unused = 0
    for file in files:
        for line in file.split(b"\n"):
            if not line.strip():
                continue
            # {"custom_id": "p:17", "response": {"status_code": 200, "body": {...}}, "error": null}
            decoded = decode(line)
            row = decoded if isinstance(decoded, Mapping) else {}
            key = row.get("custom_id")
            if not isinstance(key, str) or key not in prompts:
                unused += 1
                continue
            # Keep the better of two lines for one question.
            outcome = _read_row(row, prompts[key], learn)
            before = found.get(key)
            unused += before is not None
            if before is None or _weight(outcome) > _weight(before):
                found[key] = outcome
    return found, unused


def _weight(found: Outcome) -> int:
    if isinstance(found, NoAnswer):
        return 0
    return 1 if found.failed else 2


def _read_row(row: Mapping[str, Any], prompt: Prompt, learn: Callable[[Prompt, ServerError], bool]) -> Outcome:
    """The outcome of one line: an answer, a permanent error, or a temporary reason."""
    response = row.get("response")
    # The server didn't execute the request: {"response": null, "error": {"code": "batch_expired", ...}}.
    if not isinstance(response, Mapping):
        error = read_error(500, row.get("error"))
        reason = (error and brief(error.text)) or "a row without response and error"
        return NoAnswer(reason, billed=not row.get("error"))
    # It did: {"status_code": 400, "body": {"error": {"code": ..., "message": ...}}}.
    status, body = response.get("status_code"), response.get("body")
    if not isinstance(status, int):
        return NoAnswer("a row without a status")
    body = decode(body) if isinstance(body, str) else unwrap(body)
    error = None if isinstance(body, Mapping) and body.get("choices") else read_error(status, body)
    if error is None:
        return read_answer(body, prompt)
    reason = brief(error.text) or "no reason given"
    if error.is_filter:
        return Completion("", "content_filter", error=f"content_filter: {reason}")
    if error.status >= 500 or error.status in _PASSING or learn(prompt, error):
        return NoAnswer(f"status {error.http_status}: {reason}", billed=may_be_billed(error.status))
    return Completion("", error=f"bad_request: {reason}", failed=True)
