"""The files and batches endpoints of the fake server: jobs that succeed, fail, expire, or bring strange results.

A job's questions are asked over HTTP at the server's own chat and completions endpoints, so its log tells
of them, and what goes wrong there goes wrong in the job. Results come in no particular order.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Sequence
from typing import Any, Literal

import aiohttp
from aiohttp import web

Trouble = Literal[
    "", "full", "refused", "expired", "cancelled", "errors", "missing", "doubled", "unknown", "swapped", "torn", "gone"
]
"""What is the matter with a job.

full, refused: it fails at once, nothing is executed. expired, cancelled: it ends after two thirds of its questions;
the error file has a row for each of the rest. errors: every third question gets a 500 in the error file.
missing, doubled, unknown: every third row is left out, there twice (the second time with an error), of no known
question. swapped: rows bear an `id` and an order that mean nothing. torn: the output file ends in the middle of a
row. gone: the output file can't be had any more.
"""

MAX_QUESTIONS, MAX_BYTES = 50_000, 200_000_000
_AT_ONCE = 32


class FakeBatches:
    """job_s: seconds that a job takes; may be changed while it is under way.

    troubles: of the first jobs, in the order of their creation.
    limit: questions that may be in jobs under way; more is 'enqueued token limit reached'.
    """

    def __init__(self, job_s: float = 0.0, troubles: Sequence[Trouble] = (), limit: int = 1_000_000) -> None:
        self.job_s, self._troubles, self._limit = job_s, list(troubles), limit
        self._work: set[asyncio.Task[None]] = set()
        self._names = itertools.count()
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._retrieve)
        app.on_cleanup.append(self._stop)

    async def _stop(self, app: web.Application) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    # --- files --------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        data, purpose, name = b"", "", "file.jsonl"
        async for part in await request.multipart():
            if isinstance(part, aiohttp.BodyPartReader):
                if part.name == "file":
                    data, name = bytes(await part.read()), part.filename or name
                elif part.name == "purpose":
                    purpose = await part.text()
        if purpose != "batch" or len(data) > MAX_BYTES:
            return _error(400, "invalid_request_error", "a batch file has purpose 'batch' and at most 200 MB")
        return web.json_response(
            {
                "id": self._keep(data),
                "object": "file",
                "bytes": len(data),
                "created_at": int(time.time()),
                "filename": name,
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def _content(self, request: web.Request) -> web.Response:
        data = self.files.get(request.match_info["id"])
        if data is None:
            return _error(404, "not_found", "No such File object")
        return web.Response(body=data, content_type="application/octet-stream")

    def _keep(self, data: bytes) -> str:
        name = f"file-{next(self._names)}"
        self.files[name] = data
        return name

    # --- batches ------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        data = self.files.get(body.get("input_file_id"))
        if data is None or body.get("completion_window") != "24h":
            return _error(400, "invalid_request_error", "no such input file, or another window than 24h")
        job: dict[str, Any] = {
            "id": f"batch_{len(self.jobs)}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "created_at": int(time.time()),
            "metadata": body.get("metadata"),
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": data.count(b"\n"), "completed": 0, "failed": 0},
        }
        trouble = self._troubles.pop(0) if self._troubles else ""
        self.jobs[job["id"]] = job
        work = self._run(job, data, trouble, f"http://{request.host}")
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return web.json_response(job)

    async def _retrieve(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return _error(404, "not_found", "No batch found") if job is None else web.json_response(job)

    async def _list(self, request: web.Request) -> web.Response:
        newest = [*reversed(self.jobs.values())]
        ids = [job["id"] for job in newest]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        limit = int(request.query.get("limit", "20"))
        page = newest[start : start + limit]
        return web.json_response({"object": "list", "data": page, "has_more": start + limit < len(newest)})

    async def _run(self, job: dict[str, Any], data: bytes, trouble: Trouble, origin: str) -> None:
        """From validation to the end: the status goes the way that the real one goes."""
        rows = [json.loads(line) for line in data.splitlines()]
        waiting = sum(j["request_counts"]["total"] for j in self.jobs.values() if j["status"] == "in_progress")
        code = _defect(rows, job["endpoint"])
        if trouble == "refused":
            code = "model_not_found"
        if trouble == "full" or waiting + len(rows) > self._limit:
            code = "token_limit_exceeded"
        if code is not None:
            message = "Enqueued token limit reached for fake" if code == "token_limit_exceeded" else "can't be used"
            job |= {"status": "failed", "errors": {"object": "list", "data": [{"code": code, "message": message}]}}
            return
        job["status"], begun = "in_progress", time.time()
        stopped = trouble in ("expired", "cancelled")
        done = rows[: (2 * len(rows) + 2) // 3] if stopped else rows
        async with aiohttp.ClientSession() as session:
            places = asyncio.Semaphore(_AT_ONCE)
            answers = await asyncio.gather(*(_asked(session, places, origin, row) for row in done))
        while time.time() < begun + self.job_s:  # noqa: ASYNC110 - it may be changed meanwhile
            await asyncio.sleep(0.02)
        job["status"] = "finalizing"
        good = [row for row in answers if row["response"]["status_code"] == 200]
        bad = [row for row in answers if row["response"]["status_code"] != 200]
        message = "The batch was stopped before this request was executed."
        bad += [
            _row(row["custom_id"], None, {"code": f"batch_{trouble}", "message": message}) for row in rows[len(done) :]
        ]
        good, bad = _troubled(good, bad, trouble)
        random.Random(job["id"]).shuffle(good)
        self._finish(job, good, bad, trouble)

    def _finish(self, job: dict[str, Any], good: list[Any], bad: list[Any], trouble: Trouble) -> None:
        output = _lines(good)
        if trouble == "torn":
            output = output[: len(output) - len(_lines(good[-1:])) // 2]
        job |= {
            "output_file_id": self._keep(output) if good else None,
            "error_file_id": self._keep(_lines(bad)) if bad else None,
            "status": trouble if trouble in ("expired", "cancelled") else "completed",
        }
        job["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        if trouble == "gone":
            del self.files[job["output_file_id"]]


def _defect(rows: list[Any], endpoint: str) -> str | None:
    """What the real validation would refuse the file for."""
    ids = {row["custom_id"] for row in rows}
    if len(ids) < len(rows):
        return "duplicate_custom_id"
    if not rows or len(rows) > MAX_QUESTIONS:
        return "invalid_request"
    wrong = any(row["url"] != endpoint or row["method"] != "POST" for row in rows)
    return "mismatched_endpoint" if wrong else None


async def _asked(session: aiohttp.ClientSession, places: asyncio.Semaphore, origin: str, row: Any) -> Any:
    async with places, session.post(origin + row["url"], json=row["body"]) as answer:
        try:
            body = await answer.json(content_type=None)
        except ValueError:
            body = None
        return _row(row["custom_id"], {"status_code": answer.status, "request_id": "fake", "body": body}, None)


def _row(key: str, response: Any, error: Any) -> dict[str, Any]:
    return {"id": f"batch_req_{key}", "custom_id": key, "response": response, "error": error}


def _troubled(good: list[Any], bad: list[Any], trouble: Trouble) -> tuple[list[Any], list[Any]]:
    """The rows of output and error file as a job with that trouble brings them."""
    third, rest = good[::3], [row for n, row in enumerate(good) if n % 3]
    broken = {"status_code": 500, "request_id": "fake", "body": {"error": {"message": "The server had an error"}}}
    if trouble == "errors":
        return rest, bad + [row | {"response": broken} for row in third]
    if trouble == "missing":
        return rest, bad
    if trouble == "doubled":
        return good + third, bad + [row | {"response": broken} for row in third]
    if trouble == "unknown":
        return rest + [row | {"custom_id": f"x{row['custom_id']}"} for row in third], bad
    if trouble == "swapped":
        ids = [row["id"] for row in reversed(good)]
        return [row | {"id": other} for row, other in zip(good, ids, strict=True)], bad
    return good, bad


def _lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": code, "code": code}}, status=status)
