"""Removes secrets from what servers say. Every response passes `SecretMask.body` before anything else reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ...config.secrets import random_looking
from .answer_body import brief, one_line

MASK = "[key]"
_LEAST = 8
"""Fewest characters of a secret, or of a part of it, that are masked. Shorter keys, such as EMPTY, are no secrets."""
_ESCAPES = (b"\\u00", b"\\/", b"\0")
"""What may hide ASCII characters from a plain search: JSON escapes, and encodings of two bytes a character."""


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
        self._byte_probes = (*_ESCAPES, *(probe.encode() for probe in ends))

    def text(self, text: str) -> str:
        """Return `text` with every secret masked."""
        if not any(probe in text for probe in self._probes):
            return text
        for secret in self._whole:
            text = text.replace(secret, MASK)
        hidden = bytearray(len(text))
        for at in range(len(text) - _LEAST + 1):
            if text[at : at + _LEAST] in self._parts:
                hidden[at : at + _LEAST] = b"\1" * _LEAST
        # 'sk-abc' -> '\1\1\1\1\1\1' -> '[key]'
        for run in reversed(list(re.finditer(b"\1+", bytes(hidden)))):
            text = text[: run.start()] + MASK + text[run.end() :]
        return text

    def line(self, text: str) -> str:
        """The beginning of an exception's text on one line. Secrets are masked before the cut."""
        return brief(self.text(one_line(text.replace(" ssl:default", ""))))  # aiohttp says so of plain HTTP, too

    def body(self, content: bytes) -> bytes:
        """Return the body of a response with every secret masked, also one that is spelled with JSON escapes."""
        if not any(probe in content for probe in self._byte_probes):
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
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {self._value(name): self._value(item) for name, item in value.items()}
        return value
