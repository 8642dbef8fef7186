"""The SDK's client, which makes what all requests to one path have in common once and not anew for each of them.

Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai


class AsyncOpenAI(openai.AsyncOpenAI):
    """The SDK's class as it is, its name included, which the server is told: its retries, back-off, headers and errors.

    It builds address and headers of every request from their parts, which takes longer than to send it. All questions
    to one path have the same, so those of the first one are taken, with another body; retries and whatever else is
    unlike them are built by the SDK. An SDK that builds its requests by another name is simply slower.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._first: dict[str, httpx2.Request] = {}

    def _build_request(self, options: Any, *, retries_taken: int = 0) -> httpx2.Request:
        alike = (
            not retries_taken
            and options.method == "post"
            and isinstance(options.json_data, dict)
            and not (options.params or options.files or options.extra_json or options.content)
        )
        first = self._first.get(options.url) if alike else None
        if first is None:
            request = super()._build_request(options, retries_taken=retries_taken)
            if alike:
                self._first[options.url] = request
            return request
        text = json.dumps(options.json_data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        body = text.encode()
        headers = [(name, value) for name, value in first.headers.raw if name.lower() != b"content-length"]
        headers.append((b"Content-Length", str(len(body)).encode()))
        return httpx2.Request(first.method, first.url, headers=headers, content=body, extensions=dict(first.extensions))
