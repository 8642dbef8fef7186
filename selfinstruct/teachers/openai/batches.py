"""The files and batches endpoints, asked through the `openai` SDK; what comes back is read tolerantly.

Files go up and down through the SDK's own calls. A batch is created without the SDK's retries: a second try
after a lost answer would be a second job, so whoever creates one looks for it first.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ...core.errors import TeacherRefused
from ...core.prompts import BatchJob

T = TypeVar("T")

ENDED = frozenset({"completed", "expired", "cancelled"})
"""Statuses after which results are there, of some questions at least; 'failed' has none, nothing was executed."""
_ID = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_UPLOAD_S = 600.0
_A_DAY_S = 86_400.0
_PAGE = 100


class Unreachable(Exception):
    """No usable answer from the server this time; whether it has done what it was asked is not known."""


class NoRoom(Exception):
    """The account's queue takes no more now."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as the server tells it. full: it failed since the account's queue takes no more now."""

    id: str
    status: str
    output_file: str | None = None
    error_file: str | None = None
    errors: str = ""
    full: bool = False


class BatchApi:
    """refused: an error status that asking again can't mend, as an error; line: a text as one line without the key."""

    def __init__(self, client: Any, refused: Callable[[Any], TeacherRefused], line: Callable[[str], str]) -> None:
        self._client, self._refused, self._line = client, refused, line

    async def upload(self, name: str, data: bytes) -> str:
        """The id of a file that is up."""
        slow = self._client.with_options(timeout=_UPLOAD_S)
        body = await self._reached(slow.files.create(file=(name, data, "application/jsonl"), purpose="batch"))
        return self._an_id(getattr(body, "id", None))

    async def create(self, file: str, path: str, metadata: dict[str, str]) -> Remote:
        """A new job of an uploaded file."""
        body = {"input_file_id": file, "endpoint": path, "completion_window": "24h", "metadata": metadata}
        once = self._client.with_options(max_retries=0)
        return self._remote(await self._reached(once.post("/batches", body=body, cast_to=object)))

    async def retrieve(self, batch: str) -> Remote:
        """How a job stands."""
        try:
            return self._remote(await self._reached(self._client.get(f"/batches/{self._an_id(batch)}", cast_to=object)))
        except TeacherRefused as error:
            if not _is_unknown(error):
                raise
            raise TeacherRefused(
                f"{batch}: the server doesn't know this batch job; start again with the key and the teacher.base_url "
                "that it was made with"
            ) from None

    async def content(self, file: str) -> bytes | None:
        """What a file holds; None when it isn't there any more."""
        slow = self._client.with_options(timeout=_UPLOAD_S)
        try:
            return cast(bytes, (await self._reached(slow.files.content(self._an_id(file)))).content)
        except TeacherRefused as error:
            if _is_unknown(error):
                return None
            raise

    async def find(self, job: BatchJob, metadata: Mapping[str, str]) -> Remote | None:
        """The oldest job at the server that bears `metadata` and hasn't failed, or None.

        Jobs are listed newest first; those that are more than a day older than `job` are not looked at.
        """
        found, after = None, ""
        while True:
            page = await self._reached(
                self._client.get(f"/batches?limit={_PAGE}{after and f'&after={after}'}", cast_to=object)
            )
            rows = page.get("data") if isinstance(page, Mapping) else None
            if not isinstance(rows, list):
                raise Unreachable("the server's list of batches can't be read")
            rows = [row for row in rows if isinstance(row, Mapping)]
            for row in rows:
                if row.get("metadata") == metadata and row.get("status") != "failed":
                    found = self._remote(row)
            times = [row.get("created_at") for row in rows]
            older = any(isinstance(time, int) and time < job.planned_at - _A_DAY_S for time in times)
            if older or not rows or page.get("has_more") is not True:
                return found
            after = self._an_id(rows[-1].get("id"))

    async def _reached(self, asking: Awaitable[T]) -> T:
        import aiohttp
        import httpx2
        import openai

        from .client import TooLarge

        try:
            return await asking
        except openai.APIStatusError as error:
            said = self._line(str(error))
            if _is_full(error.code, said):
                raise NoRoom(said) from None
            passing = error.status_code >= 500 or error.status_code in (408, 409, 425, 429)
            quota = error.code in ("insufficient_quota", "billing_hard_limit_reached")
            if passing and not quota:
                raise Unreachable(said) from None
            if quota or error.status_code in (401, 402, 403, 404):
                raise self._refused(error) from error
            hint = "check model and sampling, or lower teacher.batch_questions"
            raise TeacherRefused(f"the server doesn't take this batch job: {said}; {hint}") from None
        except TooLarge as error:
            hint = "lower teacher.batch_questions for the jobs to come"
            raise TeacherRefused(f"what the server says of a batch job is too large: {error}; {hint}") from None
        except (openai.APIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            raise Unreachable(self._line(str(error) or type(error).__name__)) from None

    def _remote(self, body: object) -> Remote:
        if not isinstance(body, Mapping):
            raise Unreachable("the server's answer is no batch")
        errors = body.get("errors")
        listed = errors.get("data") if isinstance(errors, Mapping) else None
        items = [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []
        said = "; ".join(f"{item.get('code')}: {item.get('message')}" for item in items[:3])
        return Remote(
            id=self._an_id(body.get("id")),
            status=self._line(str(body.get("status")))[:40],
            output_file=_optional(body.get("output_file_id")),
            error_file=_optional(body.get("error_file_id")),
            errors=self._line(said),
            full=any(_is_full(item.get("code"), str(item.get("message"))) for item in items),
        )

    def _an_id(self, value: object) -> str:
        """`value`, when it can stand in an address."""
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise Unreachable("the server's answer has no id")
        return value


def _is_unknown(error: TeacherRefused) -> bool:
    return getattr(error.__cause__, "status_code", None) == 404


def _is_full(code: object, text: str) -> bool:
    return code == "token_limit_exceeded" or "enqueued token limit" in text.lower()


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
