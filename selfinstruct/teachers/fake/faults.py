"""Inject faults of real servers into the fake server, for tests and rehearsals.

The fault of a request depends on the seed, the body, and the number of earlier requests with the same body, so that a
rehearsal can be repeated. docs/inside/faults.md describes how the pipeline handles each kind.
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
"""Maximum seconds to hold a hung request; a client that disconnects ends the wait."""
LARGE_BYTES = 10 * 1024 * 1024
# A captive portal's page, control and template characters, a refusal in prose.
_PAGE = "<!doctype html><title>Sign in</title><p>Please sign in to go on."
_GARBAGE = "\u1e8d\u0346\u25a0\u0000\u001b[31m {{__import__('os')}} %s %n \u202e0x7f ../../etc/passwd"
_REFUSAL = "I'm sorry, but I can't help with that."

Answer = dict[str, Any]


class Faults:
    """The share of requests that meets each fault.

    Args:
        shares: Probabilities by kind, such as {'429': 0.1}; together at most 1.
        seed: Seed of the draws.

    Raises:
        UsageError: A kind is unknown, or a share is out of range.
    """

    def __init__(self, shares: Mapping[str, float], seed: int = 0) -> None:
        for kind in shares:
            if kind not in KINDS:
                guess = closest(kind, KINDS)
                hint = f"; did you mean {guess!r}?" if guess else ""
                raise UsageError(f"faults: {kind!r} is not a kind; known: {', '.join(KINDS)}{hint}")
        if not all(0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
            raise UsageError("faults: every share must be from 0 to 1, and their sum at most 1")
        self._shares, self._seed = dict(shares), seed
        self._attempts: Counter[bytes] = Counter()

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> Faults:
        """Parse '0.3' (0.3 in total, divided equally among all kinds) or '429=0.1,html=0.05'."""
        parts = [part.partition("=") for part in text.split(",")]
        try:
            # '0.3' is a single part without '='.
            if len(parts) == 1 and not parts[0][1]:
                return cls(dict.fromkeys(KINDS, float(text) / len(KINDS)), seed)
            return cls({kind.strip(): float(share) if mark else -1.0 for kind, mark, share in parts}, seed)
        except ValueError:
            raise UsageError("faults: write a share such as 0.3, or shares by kind such as 429=0.1,html=0.05") from None

    def draw(self, body: bytes, attempt: int) -> str | None:
        """Return the fault for a body's `attempt`-th request, counted from 0, or None."""
        name = hashlib.sha256(body).hexdigest()
        # Lay the shares side by side from 0 to 1; the kind under a random point is drawn.
        point = random.Random(f"{self._seed}:{name}:{attempt}").random()
        for kind, share in self._shares.items():
            if point < share:
                return kind
            point -= share
        return None

    def middleware(self, name_of: Callable[[bytes], str], write: Write) -> Any:
        """Return an aiohttp middleware that injects faults.

        name_of: returns the name of a request body in the log. write: appends an event to the log.
        """

        @web.middleware
        async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.endswith("/completions"):
                return await handler(request)
            # A retry has the same body, and may meet another fault or none.
            body = await request.read()
            place = hashlib.sha256(body).digest()
            attempt, self._attempts[place] = self._attempts[place], self._attempts[place] + 1
            kind = self.draw(body, attempt)
            if kind is None:
                return await handler(request)
            name = name_of(body)
            write({"event": "fault", "request": name, "fault": kind})
            # Some faults change the server's response; others replace it, and the server never sees the request.
            make = KINDS[kind]
            if make is not None:
                return _change_body(await handler(request), make)
            write({"event": "asked", "request": name})
            return await _INSTEAD[kind](request)

        return faulty


def _change_body(response: web.StreamResponse, change: Callable[[Answer], bytes]) -> web.Response:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    return web.Response(body=change(json.loads(response.body)), content_type="application/json")


# --- faults that replace the response ----------------------------------------------------------------


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


async def _cut_connection(request: web.Request) -> web.StreamResponse:
    # Announce 900 bytes, send a few, and close.
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
    "cut": _cut_connection,
    "html": _html,
}

# --- faults that change the response -----------------------------------------------------------------


def _replace_text(answer: Answer, text: str | None, finish: str | None = None, refusal: str | None = None) -> bytes:
    choice = answer["choices"][0]
    choice["finish_reason"] = finish or choice["finish_reason"]
    # {"message": {"content": ...}} for chat, {"text": ...} for completions
    if "message" in choice:
        choice["message"] |= {"content": text, "refusal": refusal}
    else:
        choice["text"] = text or ""
    return json.dumps(answer).encode()


def _answer_text(answer: Answer) -> str:
    choice = answer["choices"][0]
    return str(choice["message"]["content"] if "message" in choice else choice["text"])


def _broken_json(answer: Answer) -> bytes:
    whole = json.dumps(answer).encode()
    return whole[: len(whole) * 2 // 3]


def _no_choices(answer: Answer) -> bytes:
    return json.dumps(answer | {"choices": []}).encode()


def _refusal(answer: Answer) -> bytes:
    return _replace_text(answer, None, "content_filter", _REFUSAL)


def _truncate(answer: Answer) -> bytes:
    text = _answer_text(answer)
    return _replace_text(answer, text[: (len(text) + 1) // 2], "length")


def _garbage(answer: Answer) -> bytes:
    return _replace_text(answer, _GARBAGE)


def _shuffle_keys(answer: Answer) -> bytes:
    # Legal JSON that few servers send: keys in reverse order, and each key twice.
    def twice(value: Any) -> str:
        if isinstance(value, dict):
            fields = [f"{json.dumps(key)}: {twice(item)}" for key, item in reversed(value.items())]
            return "{" + ", ".join(fields * 2) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(twice, value)) + "]"
        return json.dumps(value)

    return twice(answer).encode()


def _large(answer: Answer) -> bytes:
    text = _answer_text(answer) + "\n"
    return _replace_text(answer, text * (LARGE_BYTES // len(text) + 1))


def _not_utf8(answer: Answer) -> bytes:
    # Mark a place in the text, then put bytes there that are not UTF-8.
    marked = _replace_text(answer, "\u0001" + _answer_text(answer))
    return marked.replace(b"\\u0001", b"\xff\xfe\xc3")


def _nul(answer: Answer) -> bytes:
    return _replace_text(answer, "\u0000".join(_answer_text(answer)))


KINDS: dict[str, Callable[[Answer], bytes] | None] = {
    **dict.fromkeys(_INSTEAD),
    "broken_json": _broken_json,
    "no_choices": _no_choices,
    "refusal": _refusal,
    "truncated": _truncate,
    "garbage": _garbage,
    "shuffled": _shuffle_keys,
    "large": _large,
    "not_utf8": _not_utf8,
    "nul": _nul,
}
"""Every kind of fault, with the function that changes the server's response, or None if the fault replaces it."""
