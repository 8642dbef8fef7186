"""Batch jobs of the fake server that fail, expire, or return defective results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from selfinstruct.teachers.fake.fake_batches import FakeBatches, result_row

Trouble = Literal[
    "", "full", "refused", "expired", "cancelled", "errors", "missing", "doubled", "unknown", "swapped", "torn", "gone"
]
"""A defect of a job:

- full, refused: the job fails immediately, and nothing is executed.
- expired, cancelled: the job ends after two thirds of its requests; the error file has a row for each of the others.
- errors: every third request gets a 500 in the error file.
- missing, doubled, unknown: every third row is left out, appears again with an error, or has an unknown `custom_id`.
- swapped: the `id` of a row belongs to another row.
- torn: the output file ends in the middle of a row.
- gone: the output file no longer exists.
"""
BROKEN = {"status_code": 500, "request_id": "fake", "body": {"error": {"message": "The server had an error"}}}


class TroubledBatches(FakeBatches):
    """The batch jobs of one server.

    troubles: defects of the first jobs, in the order of creation. limit: requests in running jobs; a job above this
    limit fails with 'enqueued token limit reached'.
    """

    def __init__(self, job_s: float = 0.0, troubles: Sequence[Trouble] = (), limit: int = 1_000_000) -> None:
        super().__init__(job_s)
        self._troubles, self._limit = list(troubles), limit
        self._rest: dict[str, list[Any]] = {}  # rows that a stopped job doesn't execute

    def _trouble(self, job: dict[str, Any]) -> Trouble:
        place = [*self.jobs].index(job["id"])
        return self._troubles[place] if place < len(self._troubles) else ""

    def _validation_error(self, job: dict[str, Any], rows: list[Any]) -> dict[str, str] | None:
        running = sum(j["request_counts"]["total"] for j in self.jobs.values() if j["status"] == "in_progress")
        if self._trouble(job) == "full" or running + len(rows) > self._limit:
            return {"code": "token_limit_exceeded", "message": "Enqueued token limit reached for fake"}
        if self._trouble(job) == "refused":
            return {"code": "model_not_found", "message": "can't be used"}
        return super()._validation_error(job, rows)

    def _executed(self, job: dict[str, Any], rows: list[Any]) -> list[Any]:
        done = (2 * len(rows) + 2) // 3 if self._trouble(job) in ("expired", "cancelled") else len(rows)
        self._rest[job["id"]] = rows[done:]
        return rows[:done]

    def _finish(self, job: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
        trouble = self._trouble(job)
        stopped = {"code": f"batch_{trouble}", "message": "The batch was stopped before this request was executed."}
        bad += [result_row(row["custom_id"], None, stopped) for row in self._rest[job["id"]]]
        third, rest = good[::3], [row for n, row in enumerate(good) if n % 3]
        if trouble == "errors":
            good, bad = rest, bad + [row | {"response": BROKEN} for row in third]
        elif trouble == "missing":
            good = rest
        elif trouble == "doubled":
            good, bad = good + third, bad + [row | {"response": BROKEN} for row in third]
        elif trouble == "unknown":
            good = rest + [row | {"custom_id": f"x{row['custom_id']}"} for row in third]
        elif trouble == "swapped":
            ids = [row["id"] for row in reversed(good)]
            good = [row | {"id": other} for row, other in zip(good, ids, strict=True)]
        super()._finish(job, good, bad)
        if trouble == "torn":
            data = self.files[job["output_file_id"]]
            last = data.splitlines(keepends=True)[-1]
            self.files[job["output_file_id"]] = data[: len(data) - len(last) // 2]
        if trouble == "gone":
            del self.files[job["output_file_id"]]
        if trouble in ("expired", "cancelled"):
            job["status"] = trouble
