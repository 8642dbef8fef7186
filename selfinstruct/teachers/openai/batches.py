"""The files and batches endpoints, through the `openai` SDK, with tolerant parsing of the responses.

The batch teacher uses it. Files go through the SDK's own methods. A batch is created without the SDK's retries: a retry
after a lost response would create a second job, so the caller looks for the first one before it tries again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ...core.errors import TeacherRefused
from ...core.prompts import BatchJob
from .server_error import error_of

T = TypeVar("T")

ENDED = frozenset({"completed", "expired", "cancelled"})
"""Statuses of jobs that may have results. A job that 'failed' has run nothing."""
_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_UPLOAD_S = 600.0
_DAY_S = 86_400.0
_PAGE = 100


class Unreachable(Exception):
    """No usable response from the server; whether it carried out the request is unknown."""


class NoRoom(Exception):
    """The account's queue of batch jobs is full."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch job as the server describes it. full: it failed because the account's queue is full."""

    id: str
    status: str
    output_file: str | None = None
    error_file: str | None = None
    errors: str = ""
    full: bool = False


class BatchApi:
    """Files and batch jobs of one server."""

    def __init__(
        self,
        client: Any,
        refused: Callable[[Any], TeacherRefused],
        line: Callable[[str], str],
        not_connected: Callable[[BaseException], object],
    ) -> None:
        """Send nothing yet. refused: turns a permanent error of the SDK into an exception with a hint.

        line: turns text from a server into one line without the API key. not_connected: raises TeacherDown if an error
        means that the server has never been reached.
        """
        self._client, self._refused, self._line, self._not_connected = client, refused, line, not_connected

    async def upload(self, name: str, data: bytes) -> str:
        """Upload a file and return its id."""
        slow = self._client.with_options(timeout=_UPLOAD_S)
        body = await self._call(slow.files.create(file=(name, data, "application/jsonl"), purpose="batch"))
        return self._checked_id(getattr(body, "id", None))

    async def create(self, file: str, path: str, metadata: dict[str, str]) -> RemoteBatch:
        """Create a job from an uploaded file, for the endpoint `path`. metadata: what `find` looks for."""
        body = {"input_file_id": file, "endpoint": path, "completion_window": "24h", "metadata": metadata}
        once = self._client.with_options(max_retries=0)
        return self._parse_batch(await self._call(once.post("/batches", body=body, cast_to=object)))

    async def retrieve(self, batch: str) -> RemoteBatch:
        """The current state of a job."""
        try:
            return self._parse_batch(
                await self._call(self._client.get(f"/batches/{self._checked_id(batch)}", cast_to=object))
            )
        except TeacherRefused as error:
            if not _is_unknown(error):
                raise
            raise TeacherRefused(
                f"{batch}: the server doesn't know this batch job; start again with the key and the teacher.base_url "
                "that it was made with"
            ) from None

    async def content(self, file: str) -> bytes | None:
        """The content of a file; None if it no longer exists."""
        slow = self._client.with_options(timeout=_UPLOAD_S)
        try:
            return cast(bytes, (await self._call(slow.files.content(self._checked_id(file)))).content)
        except TeacherRefused as error:
            if _is_unknown(error):
                return None
            raise

    async def find(self, job: BatchJob, metadata: Mapping[str, str]) -> RemoteBatch | None:
        """The oldest job at the server that has this metadata and hasn't failed, or None.

        The server lists jobs newest first. The search ends at jobs that are more than a day older than `job`.
        """
        found, after = None, ""
        while True:
            page = await self._call(
                self._client.get(f"/batches?limit={_PAGE}{after and f'&after={after}'}", cast_to=object)
            )
            # A page: {"data": [{"id": "batch_1", "metadata": {...}, "created_at": 1730000000}, ...], "has_more": true}
            rows = page.get("data") if isinstance(page, Mapping) else None
            if not isinstance(rows, list):
                raise Unreachable("the server's list of batches can't be read")
            # Take the oldest match: a later one would be a copy of the same job.
            rows = [row for row in rows if isinstance(row, Mapping)]
            for row in rows:
                if row.get("metadata") == metadata and row.get("status") != "failed":
                    found = self._parse_batch(row)

            # Go on behind the last row, unless the rows are already too old.
            times = [row.get("created_at") for row in rows]
            older = any(isinstance(time, int) and time < job.planned_at - _DAY_S for time in times)
            if older or not rows or page.get("has_more") is not True:
                return found
            after = self._checked_id(rows[-1].get("id"))

    async def _call(self, asking: Awaitable[T]) -> T:
        """The result of an SDK call. Raises Unreachable for temporary errors, NoRoom, TeacherRefused, TeacherDown."""
        import aiohttp
        import httpx2
        import openai

        from .streamed_answer import TooLarge

        try:
            return await asking
        # A status: is the queue full, can a retry help, does the account or the key refuse, or is the job wrong?
        except openai.APIStatusError as error:
            found = error_of(error.response)
            said = self._line(found.text or str(error))
            if _is_full(error.code, said):
                raise NoRoom(said) from None
            # Temporary, unless the account has nothing left to spend: then its 429s don't end.
            if found.is_final:
                raise self._refused(error) from error
            if found.status >= 500 or found.status in (408, 409, 425, 429):
                raise Unreachable(said) from None
            hint = "check model and sampling, or lower teacher.batch_questions"
            raise TeacherRefused(f"the server doesn't take this batch job: {said}; {hint}") from None
        except TooLarge as error:
            hint = "lower teacher.batch_questions for later jobs"
            raise TeacherRefused(f"the server's response about a batch job is too large: {error}; {hint}") from None
        except (openai.APIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            self._not_connected(error.__cause__ or error)
            raise Unreachable(self._line(str(error) or type(error).__name__)) from None

    def _parse_batch(self, body: object) -> RemoteBatch:
        """A batch object: {"id": ..., "status": ..., "output_file_id": ..., "errors": {"data": [{"code": ...}]}}."""
        if not isinstance(body, Mapping):
            raise Unreachable("the server's response is not a batch job")
        # {"errors": {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}]}}
        errors = body.get("errors")
        listed = errors.get("data") if isinstance(errors, Mapping) else None
        items = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
        said = "; ".join(f"{item.get('code')}: {item.get('message')}" for item in items[:3])
        return RemoteBatch(
            id=self._checked_id(body.get("id")),
            status=self._line(str(body.get("status")))[:40],
            output_file=_optional(body.get("output_file_id")),
            error_file=_optional(body.get("error_file_id")),
            errors=self._line(said),
            full=any(_is_full(item.get("code"), str(item.get("message"))) for item in items),
        )

    def _checked_id(self, value: object) -> str:
        """`value` if it is safe in a URL. Raises Unreachable."""
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise Unreachable("the server's response has no valid id")
        return value


def _is_unknown(error: TeacherRefused) -> bool:
    return getattr(error.__cause__, "status_code", None) == 404


def _is_full(code: object, text: str) -> bool:
    return code == "token_limit_exceeded" or "enqueued token limit" in text.lower()


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
