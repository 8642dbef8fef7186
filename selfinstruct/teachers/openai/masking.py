"""Removes secrets from what servers say. Every response passes `SecretMask.body` before anything else reads it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...config.secrets import random_looking
from .answer_body import brief, one_line, refusal_in, texts_of

MASK = "[key]"
_LEAST = 8
"""Fewest characters of a secret, or of a part of it, that are masked. Shorter keys, such as EMPTY, are no secrets."""
_ROUNDS = 3
"""How often escapes are decoded: JSON inside JSON inside a server's text."""
_ESCAPE = re.compile(
    # \u0073 \\u0073 \U00000073 \x73 \u{73}, and \- as in Markdown; %73; &#115; &#x73; &lowbar;
    r"(?<!\\)\\++(?:[uUx](?:\{0*([2-7][\da-fA-F])\}|0{0,6}([2-7][\da-fA-F]))|([^\w\s\\]))"
    r"|%([2-7][\da-fA-F])|&(#\d{2,5}|#[xX][\da-fA-F]{2,5}|[A-Za-z]{2,8});?",
    re.ASCII,
)
_SIGNS = (b"\\u0", b"\\u{", b"\\U", b"\\x", b"\\\\", b"\\/", b"%", b"&", b"\0")
"""What a body holds if it may spell ASCII characters with escapes, or with two bytes each."""
_PARTS = re.compile(rb'"(?:content|text|value|refusal|summary|thinking|reasoning\w{0,20}|top_logprobs)"\s*:\s*\[')
"""Where a body has a text in parts, which may cut a secret into pieces."""


class SecretMask:
    """Masks secrets: API keys, secret headers, a proxy's password.

    A server may return a secret cut off at either end. So in a secret that looks random, each part of at least `_LEAST`
    characters is masked, too; a word such as 'sk-no-key-required' is only masked as a whole, as parts of it are words.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._whole = sorted({each for each in secrets if len(each) >= _LEAST}, key=len, reverse=True)
        random = [each for each in self._whole if random_looking(re.sub(r"[\W_]", "", each))]
        self._parts = {each[at : at + _LEAST] for each in random for at in range(len(each) - _LEAST + 1)}
        # A cheap test, as most responses hold no secret: a part that is cut off at one end holds the other end.
        ends = {each[at:][:_LEAST] for each in self._whole for at in (*range(0, len(each) - _LEAST, 16), -_LEAST)}
        self._probes = tuple(ends)
        self._byte_probes = (*_SIGNS, *(probe.encode() for probe in ends))

    def text(self, text: str) -> str:
        """Return `text` with every secret masked, also one with any of its characters spelled as an escape."""
        hidden = bytearray(len(text))
        plain = text
        places: Sequence[int] = range(len(text) + 1)
        for _ in range(_ROUNDS):
            for start, end in self._find(plain):
                hidden[places[start] : places[end]] = b"\1" * (places[end] - places[start])
            decoded = _unescape(plain, places)
            if decoded is None:
                break
            plain, places = decoded
        # 'sk-abc' -> '\1\1\1\1\1\1' -> '[key]'
        for run in reversed(list(re.finditer(b"\1+", bytes(hidden)))):
            text = text[: run.start()] + MASK + text[run.end() :]
        return text

    def _find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where secrets and parts of secrets start and end in a text without escapes."""
        if not any(probe in text for probe in self._probes):
            return
        for secret in self._whole:
            yield from ((found.start(), found.end()) for found in re.finditer(re.escape(secret), text))
        for at in range(len(text) - _LEAST + 1):
            if text[at : at + _LEAST] in self._parts:
                yield at, at + _LEAST

    def line(self, text: str) -> str:
        """The beginning of an exception's text on one line. Secrets are masked before the cut."""
        return brief(self.text(one_line(text.replace(" ssl:default", ""))))  # aiohttp says so of plain HTTP, too

    def body(self, content: bytes) -> bytes:
        """Return the body of a response with every secret masked, in any spelling, and also in pieces."""
        if not any(probe in content for probe in self._byte_probes) and not _PARTS.search(content):
            return content
        try:
            value = json.loads(content)
            cleaned = self._value(value)
        except (ValueError, RecursionError):
            # Lines of JSON, such as the results of a batch job, or text.
            if content.count(b"\n"):
                return b"\n".join(map(self.body, content.split(b"\n")))
            text = content.decode("utf-8", "surrogateescape").replace("\0", "")
            return self.text(text).encode("utf-8", "surrogateescape")
        return content if cleaned == value else json.dumps(cleaned).encode()

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value.replace("\0", ""))
        if not isinstance(value, list | dict):
            return value
        if isinstance(value, list):
            cleaned: Any = self._joined([self._value(item) for item in value], value)
        else:
            cleaned = {self._value(name): self._value(item) for name, item in value.items()}
        # Tokens with their log-probabilities may spell a secret, too. Then all of them are dropped.
        tokens = _joined_tokens(cleaned)
        return cleaned if self.text(tokens) == tokens else type(value)()

    def _joined(self, items: list[Any], raw: list[Any]) -> list[Any]:
        """Return the masked `items` of a list, or one text for all of them if together they hold a secret in pieces.

        [{"type": "text", "text": "sk-li"}, {"type": "text", "text": "ve-Zq7"}] -> [{"type": "text", "text": "[key]"}]
        """
        joined = [self.text(said) for said in _joined_texts(raw)]
        if len(raw) < 2 or joined == _joined_texts(items):
            return items
        kinds = ({"type": "text", "text": joined[0]}, {"type": "thinking", "text": joined[1]})
        others = [item for item in items if not any(_joined_texts([item]))]
        return [*kinds, {"type": "refusal", "refusal": joined[2]}, *others]


def _joined_texts(parts: list[Any]) -> list[str]:
    """Return the text, the reasoning, and the refusal that the parts of a content make."""
    text, thought = texts_of(parts)
    return [said.replace("\0", "") for said in (text, thought.replace("\n", ""), refusal_in(parts))]


def _joined_tokens(value: Any) -> str:
    """Return what tokens in a row make: [{"token": "sk-li", ...}, ...] or {"sk-li": -0.1, ...}."""
    tokens = value if isinstance(value, dict) else [each.get("token") for each in value if isinstance(each, dict)]
    return "".join(each for each in tokens if isinstance(each, str)).replace("\0", "")


def _unescape(text: str, places: Sequence[int]) -> tuple[str, Sequence[int]] | None:
    """Decode the escapes in a text once; None if there are none. places: where each character was in the first text."""
    parts: list[str] = []
    starts: list[int] = []
    end = 0
    for found in _ESCAPE.finditer(text):
        code = found[1] or found[2] or found[4]
        char = chr(int(code, 16)) if code else found[3] or html.unescape(f"&{found[5]};")
        if len(char) == 1:
            parts += text[end : found.start()], char
            starts += places[end : found.start() + 1]
            end = found.end()
    return ("".join([*parts, text[end:]]), [*starts, *places[end:]]) if parts else None
