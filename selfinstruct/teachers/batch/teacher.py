"""A teacher asked by batch jobs: questions are collected, go up as one file, and are answered from its results.

Who asks a question waits for its place: a future that is resolved from the job the question is in. What earlier
starts have left in jobs is in `under_way`; the asker sends the same questions again and so waits for their answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from types import TracebackType

from ...core.prompts import BatchJob, Completion, Prompt, Question
from ..openai.batches import NoRoom
from ..openai.options import OpenAIOptions
from ..openai.teacher import PATHS, OpenAITeacher
from .batch_job import Courier, Notes, Upload
from .results import Again, Found

JOB_BYTES = 200_000_000
"""The largest file that a job may have; how many questions is `teacher.batch_questions`."""
TRIES = 3
"""Jobs that a question may be part of without an answer; then it is recorded with its error."""


class BatchTeacher:
    """Answers by batch jobs what `live`, whose server and key it uses, would answer at once.

    In mode live only what an earlier start has left in jobs comes from there. The probe is always asked live: a day is
    too much for it. leave: called when all its questions wait in jobs, with their number and a line; says whether that
    ends this start. None: wait for the answers.
    """

    def __init__(
        self, live: OpenAITeacher, config: OpenAIOptions, notes: Notes, leave: Callable[[int, str], bool] | None = None
    ) -> None:
        self._live, self._config, self._notes, self._leave = live, config, notes, leave
        self._courier = Courier(live.batches(), notes, config.batch_poll_s, self._goes_on)
        self._most = config.batch_questions
        self._collected: list[Question] = []
        self._places: dict[str, asyncio.Future[Found]] = {}
        self._tries: dict[str, int] = {}
        self._running: dict[asyncio.Task[None], int] = {}
        self._standing: dict[int, str] = {}
        """How the running jobs stand that have been looked at, by their numbers."""
        self._full: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stirred = 0.0
        self.asking, self.model = live.asking, live.model
        self.under_way: list[Question] = []

    async def __aenter__(self) -> BatchTeacher:
        await self._live.__aenter__()
        try:
            await self._take_up()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        await self._live.__aexit__(kind, error, trace)

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask at once, without a job."""
        return await self._live.complete(prompt)

    async def complete_question(self, question: Question) -> Completion:
        """The answer from the job that the question is in, or from the next one; asked again when one brings none."""
        key = question.key
        while True:
            place = self._places.get(key)
            if place is None:
                if self._config.mode == "live" or question.prompt.purpose == "probe":
                    return await self.complete(question.prompt)
                place = self._collect(question)
            found = await place
            del self._places[key]
            if isinstance(found, Completion):
                self._tries.pop(key, None)
                return found
            tries = self._tries[key] = self._tries.get(key, 0) + found.counts
            if tries >= TRIES:
                del self._tries[key]
                return Completion("", error=f"batch: no answer in {tries} jobs; the last: {found.reason}", failed=True)

    # --- collecting ---------------------------------------------------------------------------

    def _collect(self, question: Question) -> asyncio.Future[Found]:
        self._collected.append(question)
        place = self._places[question.key] = asyncio.get_running_loop().create_future()
        self._stir()
        return place

    def _stir(self) -> None:
        """Something has happened: it has to be quiet from here on."""
        loop = asyncio.get_running_loop()
        self._stirred = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._config.batch_quiet_s, self._listen)

    def _listen(self) -> None:
        """Once it is quiet, send what is collected; leave when everything waits and that is wanted."""
        loop = asyncio.get_running_loop()
        rest_s = self._stirred + self._config.batch_quiet_s - loop.time()
        if rest_s > 0:
            self._timer = loop.call_later(rest_s, self._listen)
            return
        self._timer = None
        collected = [question for question in self._collected if not self._places[question.key].done()]
        self._collected = []
        if collected:
            self._start(self._send(collected), 0)
            return
        waits = self._running and self._standing.keys() >= set(self._running.values())
        if self._leave is not None and waits and not self._leave(len(self._places), self._told()):
            self._stir()  # others don't wait yet: ask again

    def _told(self) -> str:
        jobs = ", ".join(islice(self._standing.values(), 3)) + (", ..." if len(self._standing) > 3 else "")
        count = f"{len(self._places):,} questions wait in batch jobs: {jobs}"
        return f"{count}; a job takes up to 24 hours, and the same command collects its answers and goes on"

    async def _send(self, collected: list[Question]) -> None:
        try:
            for path, questions, data in self._files(collected):
                job = self._notes.plan(hashlib.sha256(data).hexdigest(), questions)
                self._start(self._see_through(job, questions, Upload(path, data)), job.number)
        except Exception as error:  # whatever it is, who waits is told: a full disk, or a defect
            self._fail(collected, error)

    def _files(self, collected: list[Question]) -> Iterator[tuple[str, list[Question], bytes]]:
        """The endpoint's path, questions and content of each file: one endpoint a file, as long as a job may be."""
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

    async def _take_up(self) -> None:
        """Follow the jobs of earlier starts. One that never came about is let go: its questions are collected anew."""
        for job, questions in self._notes.open():
            batch = job.batch or await self._courier.find(job)
            self.under_way += questions
            self._tries |= {question.key: question.tries for question in questions}
            if batch is not None:
                loop = asyncio.get_running_loop()
                self._places |= {question.key: loop.create_future() for question in questions}
                self._start(self._see_through(replace(job, batch=batch), questions, None), job.number)

    def _start(self, work: Coroutine[None, None, None], number: int) -> None:
        task = asyncio.create_task(work)
        self._running[task] = number
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        number = self._running.pop(task)
        self._standing.pop(number, None)
        self._full.discard(number)
        self._stir()

    def _goes_on(self, number: int, how: str) -> None:
        if number not in self._standing:
            self._stir()
        self._standing[number] = how

    async def _see_through(self, job: BatchJob, questions: Sequence[Question], upload: Upload | None) -> None:
        """Hand what the job finds to those who wait for it."""
        try:
            found = await self._courier.bring(job, questions, upload)
        except NoRoom as error:
            found = await self._later(job.number, questions, str(error))
        except Exception as error:  # whatever it is, who waits is told
            self._fail(questions, error)
            return
        for question in questions:
            place = self._places.get(question.key)
            if place is not None and not place.done():
                place.set_result(found[question.key])

    async def _later(self, number: int, questions: Sequence[Question], reason: str) -> dict[str, Found]:
        """Wait for room in the account's queue. Where no job of ours fills it, the next are half as long."""
        self._full.add(number)
        self._goes_on(number, f"no room in the account's queue ({reason})")
        if self._standing.keys() <= self._full:
            self._most = max(1, len(questions) // 2)
        await asyncio.sleep(self._config.batch_poll_s)
        return {question.key: Again(reason, counts=False) for question in questions}

    def _fail(self, questions: Sequence[Question], error: Exception) -> None:
        for question in questions:
            place = self._places.get(question.key)
            if place is not None and not place.done():
                place.set_exception(error)
                place.exception()  # told, even where nobody waits any more
