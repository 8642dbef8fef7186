"""What goes wrong with real servers, on purpose: the fake server with faults, for tests and rehearsals.

Each request draws its fault from the seed, its body and how often that body has come before, so a rehearsal can be
repeated. docs/inside/faults.md says what the pipeline makes of every kind.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from ...core.errors import UsageError
from ...core.suggest import closest

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Write = Callable[[dict[str, str]], None]

HANG_S = 600.0
"""Seconds that a hung request is held; less when its client goes away."""
LARGE_BYTES = 10 * 1024 * 1024
_PAGE = "<!doctype html><title>Sign in</title><p>Please sign in to go on."
_GARBAGE = "\u1e8d\u0346\u25a0\u0000\u001b[31m {{__import__('os')}} %s %n \u202e0x7f ../../etc/passwd"
_REFUSAL = "I'm sorry, but I can't help with that."

Answer = dict[str, Any]


class Faults:
    """Which share of the requests meets which fault.

    shares: probabilities by kind. seed: of the draws. Raises UsageError: an unknown kind, shares that can't be.
    """

    def __init__(self, shares: Mapping[str, float], seed: int = 0) -> None:
        for kind in shares:
            if kind not in KINDS:
                guess = closest(kind, KINDS)
                hint = f"; did you mean {guess!r}?" if guess else ""
                raise UsageError(f"faults: {kind!r} is no kind; known: {', '.join(KINDS)}{hint}")
        if not all(0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
            raise UsageError("faults: every share must be from 0 to 1, and all of them together at most 1")
        self._shares, self._seed = dict(shares), seed
        self._came: Counter[bytes] = Counter()

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Faults:
        """From '0.3' (every kind alike, 0.3 in all) or '429=0.1,html=0.05'."""
        parts = [part.partition("=") for part in text.split(",")]
        try:
            if len(parts) == 1 and not parts[0][1]:
                return cls(dict.fromkeys(KINDS, float(text) / len(KINDS)), seed)
            return cls({kind.strip(): float(share) if mark else -1.0 for kind, mark, share in parts}, seed)
        except ValueError:
            raise UsageError("faults: write a share such as 0.3, or shares by kind such as 429=0.1,html=0.05") from None

    def draw(self, body: bytes, attempt: int) -> str | None:
        """The fault that a request meets which comes for the `attempt`-th time (from 0), or None."""
        name = hashlib.sha256(body).hexdigest()
        point = random.Random(f"{self._seed}:{name}:{attempt}").random()
        for kind, share in self._shares.items():
            if point < share:
                return kind
            point -= share
        return None

    def middleware(self, name_of: Callable[[bytes], str], write: Write) -> Any:
        """To be put before the server's own answers. name_of: what the log calls a body; write: a line of the log."""

        @web.middleware
        async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.endswith("/completions"):
                return await handler(request)
            body = await request.read()
            place = hashlib.sha256(body).digest()
            attempt, self._came[place] = self._came[place], self._came[place] + 1
            kind = self.draw(body, attempt)
            if kind is None:
                return await handler(request)
            name = name_of(body)
            write({"event": "fault", "request": name, "fault": kind})
            make = KINDS[kind]
            if make is not None:
                return _changed(await handler(request), make)
            write({"event": "asked", "request": name})
            return await _INSTEAD[kind](request)

        return faulty


def _changed(response: web.StreamResponse, change: Callable[[Answer], bytes]) -> web.Response:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    return web.Response(body=change(json.loads(response.body)), content_type="application/json")


# --- in place of an answer ---------------------------------------------------------------------------


def _status(status: int, code: str, headers: dict[str, str] | None = None) -> Handler:
    async def respond(request: web.Request) -> web.StreamResponse:
        message = f"{code}, on purpose"
        return web.json_response({"error": {"message": message, "code": code}}, status=status, headers=headers)

    return respond


async def _html(request: web.Request) -> web.StreamResponse:
    return web.Response(text=_PAGE, content_type="text/html")


async def _hang(request: web.Request) -> web.StreamResponse:
    for _ in range(int(HANG_S / 0.1)):
        if request.transport is None or request.transport.is_closing():
            break
        await asyncio.sleep(0.1)
    return web.Response(status=504)


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "900"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"message": {"content": "It beg')
    if request.transport is not None:
        request.transport.close()
    return response


_INSTEAD: dict[str, Handler] = {
    "429": _status(429, "rate_limit_exceeded"),
    "429_after": _status(429, "rate_limit_exceeded", {"retry-after": "1"}),
    "500": _status(500, "server_error"),
    "502": _status(502, "bad_gateway"),
    "503": _status(503, "overloaded"),
    "timeout": _hang,
    "cut": _cut,
    "html": _html,
}

# --- made from the answer ----------------------------------------------------------------------------


def _with_text(answer: Answer, text: str | None, finish: str | None = None, refusal: str | None = None) -> bytes:
    choice = answer["choices"][0]
    choice["finish_reason"] = finish or choice["finish_reason"]
    if "message" in choice:
        choice["message"] |= {"content": text, "refusal": refusal}
    else:
        choice["text"] = text or ""
    return json.dumps(answer).encode()


def _text(answer: Answer) -> str:
    choice = answer["choices"][0]
    return str(choice["message"]["content"] if "message" in choice else choice["text"])


def _broken_json(answer: Answer) -> bytes:
    whole = json.dumps(answer).encode()
    return whole[: len(whole) * 2 // 3]


def _no_choices(answer: Answer) -> bytes:
    return json.dumps(answer | {"choices": []}).encode()


def _refusal(answer: Answer) -> bytes:
    return _with_text(answer, None, "content_filter", _REFUSAL)


def _truncated(answer: Answer) -> bytes:
    text = _text(answer)
    return _with_text(answer, text[: (len(text) + 1) // 2], "length")


def _garbage(answer: Answer) -> bytes:
    return _with_text(answer, _GARBAGE)


def _shuffled(answer: Answer) -> bytes:
    def twice(value: Any) -> str:
        if isinstance(value, dict):
            fields = [f"{json.dumps(key)}: {twice(item)}" for key, item in reversed(value.items())]
            return "{" + ", ".join(fields * 2) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(twice, value)) + "]"
        return json.dumps(value)

    return twice(answer).encode()


def _large(answer: Answer) -> bytes:
    text = _text(answer) + "\n"
    return _with_text(answer, text * (LARGE_BYTES // len(text) + 1))


def _not_utf8(answer: Answer) -> bytes:
    marked = _with_text(answer, "\u0001" + _text(answer))
    return marked.replace(b"\\u0001", b"\xff\xfe\xc3")


def _nul(answer: Answer) -> bytes:
    return _with_text(answer, "\u0000".join(_text(answer)))


KINDS: dict[str, Callable[[Answer], bytes] | None] = {
    **dict.fromkeys(_INSTEAD),
    "broken_json": _broken_json,
    "no_choices": _no_choices,
    "refusal": _refusal,
    "truncated": _truncated,
    "garbage": _garbage,
    "shuffled": _shuffled,
    "large": _large,
    "not_utf8": _not_utf8,
    "nul": _nul,
}
"""Every kind, and what it makes of the server's answer; None for those that come in place of one."""
