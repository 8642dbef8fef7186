"""Count the tokens of a prompt from above: with the model's tokenizer if there is a local copy, otherwise by bytes.

The budget reserves this number before a request is sent, and the rate limiter waits for the same number. Neither may be
below the server's own count. Nothing is downloaded.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config.options import TeacherOptions
from ..core.errors import ConfigError
from ..core.paths import expand
from ..core.prompts import Prompt

TOKENS_A_MESSAGE = 16
"""Upper bound for the tokens that a chat template adds around one message."""
TOKENS_A_REQUEST = 64
"""Upper bound for the tokens that a chat template adds before all messages, such as a default system message."""

Bound = Callable[[Prompt], int]


def bytes_bound(prompt: Prompt) -> int:
    """Count one token per byte; no tokenizer produces more."""
    return _bound(prompt, _bytes)


@functools.lru_cache(64)  # the fixed first part of prompts is the longest
def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def bound_of(teacher: TeacherOptions) -> Bound:
    """Return a bound by the configured tokenizer, by the one in the hub's cache for this model, or by bytes.

    Raises:
        ConfigError: The configured tokenizer can't be read, or the package `tokenizers` is missing.
    """
    configured = teacher.tokenizer
    path = Path(expand(configured)) if configured is not None else _find_cached_tokenizer(teacher.model)
    if path is None:
        return bytes_bound
    if path.is_dir():
        path = path / "tokenizer.json"
    # A cached tokenizer is a convenience: if it can't be used, count bytes. A configured one must work.
    try:
        from tokenizers import Tokenizer

        count = _counter(Tokenizer.from_file(str(path)))
    except ImportError:
        if configured is None:
            return bytes_bound
        raise ConfigError(
            "teacher.tokenizer: needs the package tokenizers; pip install 'selfinstruct[tokenizer]'"
        ) from None
    except Exception as error:  # the library raises a bare Exception for any unusable file
        if configured is None:
            return bytes_bound
        what = "no such file" if not path.exists() else f"not a tokenizer ({str(error)[:100]})"
        raise ConfigError(f"teacher.tokenizer: {path}: {what}; name a tokenizer.json or its folder") from None
    return functools.partial(_bound, count=count)


def _bound(prompt: Prompt, count: Callable[[str], int]) -> int:
    size = TOKENS_A_REQUEST + sum(count(message.content) + TOKENS_A_MESSAGE for message in prompt.messages)
    return size + (len(json.dumps(prompt.schema, ensure_ascii=False).encode()) if prompt.schema else 0)


def _counter(tokenizer: Any) -> Callable[[str], int]:
    @functools.lru_cache(maxsize=64)  # the fixed first part of prompts is the longest
    def count(text: str) -> int:
        text = text.encode("utf-8", "replace").decode()  # the tokenizer rejects lone surrogates
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count


def _find_cached_tokenizer(model: str) -> Path | None:
    """Return the model's tokenizer.json in the hub's local cache, or None; sends no request."""
    if model.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, "tokenizer.json")
    except ValueError:  # not a valid repository name
        return None
    return Path(found) if isinstance(found, str) else None
