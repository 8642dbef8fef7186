"""How many tokens a prompt has, at most: by the model's own tokenizer where it is at hand, else by its bytes.

`budget` sets that aside before a question leaves, and `teachers` asks the limits for it; neither may be below what the
server counts. Nothing is fetched for it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config.options import TeacherOptions
from ..core.errors import ConfigError
from ..core.prompts import Prompt

TOKENS_A_MESSAGE = 16
"""Upper bound for what a chat template puts around one message."""
TOKENS_A_REQUEST = 64
"""Upper bound for what it puts before all of them, such as a system message of its own."""

Bound = Callable[[Prompt], int]


def bytes_bound(prompt: Prompt) -> int:
    """As many tokens as there are bytes: no tokenizer makes more of a text."""
    return _bound(prompt, _bytes)


@functools.lru_cache(64)  # the fixed first part of prompts is the longest
def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def bound_of(teacher: TeacherOptions) -> Bound:
    """By the tokenizer that the configuration names, else by the one in the hub's cache for this model, else by bytes.

    Raises ConfigError: `tokenizer` can't be read, or the package for it is missing.
    """
    stated = teacher.tokenizer
    path = Path(stated).expanduser() if stated is not None else _cached(teacher.model)
    if path is None:
        return bytes_bound
    if path.is_dir():
        path = path / "tokenizer.json"
    try:
        from tokenizers import Tokenizer

        count = _counter(Tokenizer.from_file(str(path)))
    except ImportError:
        if stated is None:
            return bytes_bound
        raise ConfigError(
            "teacher.tokenizer needs the package tokenizers: pip install 'selfinstruct[tokenizer]'"
        ) from None
    except Exception as error:  # the library raises a bare Exception for any file that it can't use
        if stated is None:
            return bytes_bound
        what = "no such file" if not path.exists() else f"not a tokenizer ({str(error)[:100]})"
        raise ConfigError(f"teacher.tokenizer: {path}: {what}; name a tokenizer.json, or the folder with it") from None
    return functools.partial(_bound, count=count)


def _bound(prompt: Prompt, count: Callable[[str], int]) -> int:
    size = TOKENS_A_REQUEST + sum(count(message.content) + TOKENS_A_MESSAGE for message in prompt.messages)
    return size + (len(json.dumps(prompt.schema, ensure_ascii=False).encode()) if prompt.schema else 0)


def _counter(tokenizer: Any) -> Callable[[str], int]:
    @functools.lru_cache(maxsize=64)  # the fixed first part of prompts is the longest
    def count(text: str) -> int:
        text = text.encode("utf-8", "replace").decode()
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count


def _cached(model: str) -> Path | None:
    """The model's tokenizer in the local cache of the hub, or None. Asks nobody."""
    if model.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(model, "tokenizer.json")
    except ValueError:  # not a name that the hub could have
        return None
    return Path(found) if isinstance(found, str) else None
