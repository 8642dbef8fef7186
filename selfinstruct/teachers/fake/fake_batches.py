"""The files and batches endpoints of the fake server.

A job sends its requests over HTTP to the server's own chat and completions endpoints. The server's log therefore
records them, and faults of those endpoints also affect jobs. Results are shuffled.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from typing import Any

import aiohttp
from aiohttp import web

MAX_QUESTIONS, MAX_BYTES = 50_000, 200_000_000
_CONCURRENCY = 32


class FakeBatches:
    """The batch jobs of one server. job_s: seconds that a job takes; may be changed while a job runs."""

    def __init__(self, job_s: float = 0.0) -> None:
        self.job_s = job_s
        self._work: set[asyncio.Task[None]] = set()
        self._names = itertools.count()
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}

    def add_to(self, app: web.Application) -> None:
        """Add the routes to the server's application."""
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
        # A multipart form with the parts `purpose` and `file`.
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
            return _error(400, "invalid_request_error", "no such input file, or the window is not 24h")
        # The fields of the real API's Batch object.
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
        # Run the job in the background; the set keeps a reference, because asyncio holds tasks only weakly.
        self.jobs[job["id"]] = job
        task = asyncio.create_task(self._run(job, data, f"http://{request.host}"))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return web.json_response(job)

    async def _retrieve(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return _error(404, "not_found", "No batch found") if job is None else web.json_response(job)

    async def _list(self, request: web.Request) -> web.Response:
        # Pages of `limit` jobs, newest first; `after` is the last job of the page before.
        newest = [*reversed(self.jobs.values())]
        ids = [job["id"] for job in newest]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        limit = int(request.query.get("limit", "20"))
        page = newest[start : start + limit]
        return web.json_response({"object": "list", "data": page, "has_more": start + limit < len(newest)})

    async def _run(self, job: dict[str, Any], data: bytes, origin: str) -> None:
        """Run a job from validation to the end, with the statuses of the real API in order."""
        rows = [json.loads(line) for line in data.splitlines()]
        error = self._validation_error(job, rows)
        if error is not None:
            job |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
            return
        job["status"], begun = "in_progress", time.time()
        async with aiohttp.ClientSession() as session:
            places, sent = asyncio.Semaphore(_CONCURRENCY), self._executed(job, rows)
            answers = await asyncio.gather(*(_send_row(session, places, origin, row) for row in sent))
        while time.time() < begun + self.job_s:  # noqa: ASYNC110 - a test may change job_s meanwhile
            await asyncio.sleep(0.02)
        # Sort the results into the output file and the error file.
        job["status"] = "finalizing"
        good = [row for row in answers if row["response"]["status_code"] == 200]
        bad = [row for row in answers if row["response"]["status_code"] != 200]
        self._finish(job, good, bad)

    def _validation_error(self, job: dict[str, Any], rows: list[Any]) -> dict[str, str] | None:
        """Return the error for which a job fails before anything is executed, or None."""
        code = _defect(rows, job["endpoint"])
        return {"code": code, "message": "can't be used"} if code else None

    def _executed(self, job: dict[str, Any], rows: list[Any]) -> list[Any]:
        """Return the requests that are executed: all of them."""
        return rows

    def _finish(self, job: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
        """Store the result files, in random order, and set the final status."""
        random.Random(job["id"]).shuffle(good)
        job |= {
            "output_file_id": self._keep(_lines(good)) if good else None,
            "error_file_id": self._keep(_lines(bad)) if bad else None,
            "status": "completed",
        }
        job["request_counts"] |= {"completed": len(good), "failed": len(bad)}


def _defect(rows: list[Any], endpoint: str) -> str | None:
    """Return the error code for which the real API would reject the file, or None."""
    ids = {row["custom_id"] for row in rows}
    if len(ids) < len(rows):
        return "duplicate_custom_id"
    if not rows or len(rows) > MAX_QUESTIONS:
        return "invalid_request"
    wrong = any(row["url"] != endpoint or row["method"] != "POST" for row in rows)
    return "mismatched_endpoint" if wrong else None


async def _send_row(session: aiohttp.ClientSession, places: asyncio.Semaphore, origin: str, row: Any) -> Any:
    """Send one request of a job to the server itself and return the row of its result. places: limits concurrency."""
    async with places, session.post(origin + row["url"], json=row["body"]) as answer:
        try:
            body = await answer.json(content_type=None)
        except ValueError:
            body = None
        return result_row(row["custom_id"], {"status_code": answer.status, "request_id": "fake", "body": body}, None)


def result_row(key: str, response: Any, error: Any) -> dict[str, Any]:
    """Return a row of a result file."""
    return {"id": f"batch_req_{key}", "custom_id": key, "response": response, "error": error}


def _lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": code, "code": code}}, status=status)
