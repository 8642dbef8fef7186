"""A teacher that is asked through batch jobs: collects questions, uploads them as a file, and reads its results.

The asker awaits a future for each question, which is resolved when the question's job has ended. `under_way` lists the
questions that earlier starts left in jobs; the asker asks the same questions again and gets their answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ...core.counted import counted
from ...core.prompts import BatchJob, Completion, Prompt, Question, Usage
from ..openai.batches import NoRoom
from ..openai.options import OpenAIOptions
from ..openai.teacher import PATHS, OpenAITeacher
from ..protocol import METER
from .batch_job import JobFile, JobRunner, NoAnswer, Notes, Outcome

JOB_BYTES = 200_000_000
"""The largest file of a job. `teacher.batch_questions` limits its questions."""
TRIES = 3
"""Jobs that may leave a question unanswered. After that it is recorded with its error."""


class BatchTeacher:
    """Answers through batch jobs what `live` would answer at once, with the server and key of `live`.

    In mode live, only answers that earlier starts left in jobs come from there. The probe is always asked live: waiting
    a day for it would take too long.
    """

    def __init__(
        self, live: OpenAITeacher, config: OpenAIOptions, notes: Notes, leave: Callable[[int, str], bool] | None = None
    ) -> None:
        """Start with no questions. live: the teacher for the same server, for single requests.

        leave: called with a number and a description once all questions wait in jobs; returns whether that ends this
        start. None: wait for the answers.
        """
        self._live, self._config, self._notes, self._leave = live, config, notes, leave
        self._runner = JobRunner(live.batches(), notes, config.batch_poll_s, self._set_status, live.learn)
        self._most = config.batch_questions
        self._collected: list[Question] = []
        self._futures: dict[str, asyncio.Future[Outcome]] = {}
        self._tries: dict[str, int] = {}
        self._running: dict[asyncio.Task[None], int] = {}
        self._statuses: dict[int, str] = {}
        """The status of each running job that has been polled, by its number."""
        self._blocked: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._active_at = 0.0
        self.asking, self.model = live.asking, live.model
        self.under_way: list[Question] = []

    async def __aenter__(self) -> BatchTeacher:
        await self._live.__aenter__()
        try:
            await self._resume_jobs()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(self, *error: Any) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        await self._live.__aexit__(*error)

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask live, without a job."""
        return await self._live.complete(prompt)

    async def complete_question(self, question: Question) -> Completion:
        """The answer from the question's job, or from a new one. Asked again if a job brings none."""
        key = question.key
        while True:
            future = self._futures.get(key)
            if future is None:
                if self._config.mode == "live" or question.prompt.purpose == "probe":
                    return await self.complete(question.prompt)
                future = self._collect(question)
            found = await future
            del self._futures[key]
            if isinstance(found, NoAnswer) and not found.counts:  # the job was never created
                continue
            # Count the request. A row with a client error is complete without any tokens.
            meter = METER.get()
            meter.leave()
            if isinstance(found, Completion):
                self._tries.pop(key, None)
                if found.failed and found.usage == Usage():
                    meter.end(billed=False)
                return found
            meter.end(billed=found.billed)
            tries = self._tries[key] = self._tries.get(key, 0) + 1
            if tries >= TRIES:
                del self._tries[key]
                return Completion("", error=f"batch: no answer in {tries} jobs; the last: {found.reason}", failed=True)
            await meter.begin()

    # --- collecting ---------------------------------------------------------------------------

    def _collect(self, question: Question) -> asyncio.Future[Outcome]:
        self._collected.append(question)
        future = self._futures[question.key] = asyncio.get_running_loop().create_future()
        self._note_activity()
        return future

    def _note_activity(self) -> None:
        """Restart the quiet period: jobs are sent `batch_quiet_s` after the last activity."""
        loop = asyncio.get_running_loop()
        self._active_at = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._config.batch_quiet_s, self._send_when_quiet)

    def _send_when_quiet(self) -> None:
        """After the quiet period, send the collected questions; if all wait in jobs, ask whether to end this start."""
        loop = asyncio.get_running_loop()
        rest_s = self._active_at + self._config.batch_quiet_s - loop.time()
        if rest_s > 0:
            self._timer = loop.call_later(rest_s, self._send_when_quiet)
            return
        self._timer = None
        collected = [question for question in self._collected if not self._futures[question.key].done()]
        self._collected = []
        if collected:
            self._start(self._send(collected), 0)
            return
        waits = self._running and self._statuses.keys() >= set(self._running.values())
        if self._leave is not None and waits and not self._leave(len(self._futures), self._describe()):
            self._note_activity()  # other teachers are still busy: ask again later

    def _describe(self) -> str:
        jobs = ", ".join(islice(self._statuses.values(), 3)) + (", ..." if len(self._statuses) > 3 else "")
        count = f"{counted(len(self._futures), 'question')} waiting in batch jobs: {jobs}"
        return f"{count}; a job takes up to 24 hours, and the same command collects its answers and goes on"

    async def _send(self, collected: list[Question]) -> None:
        try:
            for path, questions, data in self._files(collected):
                job = self._notes.plan(hashlib.sha256(data).hexdigest(), questions)
                self._start(self._follow(job, questions, JobFile(path, data)), job.number)
        except Exception as error:  # a full disk, or a bug: the waiting questions must fail, not hang
            self._fail(collected, error)

    def _files(self, collected: list[Question]) -> Iterator[tuple[str, list[Question], bytes]]:
        """(endpoint's path, questions, content) of each file. A file has one endpoint and fits into one job."""
        for endpoint, short in PATHS.items():
            path, questions, data = f"/v1{short}", list[Question](), bytearray()
            for question in collected:
                if question.prompt.endpoint != endpoint:
                    continue
                row = {"custom_id": question.key, "method": "POST", "url": path}
                line = json.dumps(row | {"body": self._live.body(question.prompt)}).encode() + b"\n"
                if len(questions) == self._most or (questions and len(data) + len(line) > JOB_BYTES):
                    yield path, questions, bytes(data)
                    questions, data = [], bytearray()
                questions.append(replace(question, tries=self._tries.get(question.key, 0)))
                data += line
            if questions:
                yield path, questions, bytes(data)

    # --- jobs ---------------------------------------------------------------------------------

    async def _resume_jobs(self) -> None:
        """Follow the jobs of earlier starts. The questions of a job that was never created are collected again."""
        for job, questions in self._notes.open():
            batch = job.batch or await self._runner.find(job)
            self.under_way += questions
            self._tries |= {question.key: question.tries for question in questions}
            if batch is not None:
                loop = asyncio.get_running_loop()
                self._futures |= {question.key: loop.create_future() for question in questions}
                self._start(self._follow(replace(job, batch=batch), questions, None), job.number)

    def _start(self, work: Coroutine[None, None, None], number: int) -> None:
        task = asyncio.create_task(work)
        self._running[task] = number
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        number = self._running.pop(task)
        self._statuses.pop(number, None)
        self._blocked.discard(number)
        self._note_activity()

    def _set_status(self, number: int, how: str) -> None:
        if number not in self._statuses:
            self._note_activity()
        self._statuses[number] = how

    async def _follow(self, job: BatchJob, questions: Sequence[Question], upload: JobFile | None) -> None:
        try:
            found = await self._runner.run(job, questions, upload)
        except NoRoom as error:
            found = await self._wait_for_room(job.number, questions, str(error))
        except Exception as error:  # whatever it is, the waiting questions must fail, not hang
            self._fail(questions, error)
            return
        for question in questions:
            future = self._futures.get(question.key)
            if future is not None and not future.done():
                future.set_result(found[question.key])

    async def _wait_for_room(self, number: int, questions: Sequence[Question], reason: str) -> dict[str, Outcome]:
        """Wait for room in the account's queue. If no job of ours fills it, halve the size of the next jobs."""
        self._blocked.add(number)
        self._set_status(number, f"no room in the account's queue ({reason})")
        if self._statuses.keys() <= self._blocked:
            self._most = max(1, len(questions) // 2)
        await asyncio.sleep(self._config.batch_poll_s)
        return {question.key: NoAnswer(reason, counts=False, billed=False) for question in questions}

    def _fail(self, questions: Sequence[Question], error: Exception) -> None:
        for question in questions:
            future = self._futures.get(question.key)
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # mark it as retrieved, in case no asker waits for it
