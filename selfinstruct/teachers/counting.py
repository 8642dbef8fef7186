"""Count the tokens of a prompt from above, and check what a server says that an answer took.

The bound of a prompt comes from the model's tokenizer if there is a local copy, otherwise from its bytes. The budget
reserves it before a request is sent, and the rate limiter waits for it. Neither may be below the server's own count.
Nothing is downloaded.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..config.options import TeacherOptions
from ..core.errors import ConfigError
from ..core.paths import expand
from ..core.prompts import Completion, Prompt, Usage

TOKENS_A_MESSAGE = 16
"""Upper bound for the tokens that a chat template adds around one message."""
TOKENS_A_REQUEST = 64
"""Upper bound for the tokens that a chat template adds before all messages, such as a default system message."""

LONGEST_TOKEN = 256
"""Characters. The longest tokens in use are runs of 128 spaces."""
WORDS_A_TOKEN = 2
"""Tokens end where words end, except in a few vocabularies with some tokens of two words and more."""
DENSE_A_TOKEN = 8
"""Characters of a script without blanks, or with a syllable in each. Most tokens have one to three of them; the longest
stock phrases, of about ten, don't make up a whole text."""
# From Thai to Ethiopic and Khmer; kana, Han, and Hangul. Without Latin and Greek letters, punctuation, and symbols.
_DENSE = re.compile("[\u0e00-\u1dff\u3041-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+")

Bound = Callable[[Prompt], int]


def charge(completion: Completion, prompt: Prompt, worst: Usage) -> tuple[Usage, bool]:
    """Return the tokens and stated dollars that count for an answer, and whether a part of the tokens is assumed.

    What the teacher states counts, even above `worst`. What it leaves out, or what can't be true because more text was
    sent or received, counts as `worst`: reasoning that isn't in the text may have taken all of the token limit.

    Args:
        completion: The answer, with the usage as stated.
        prompt: What was sent.
        worst: The most tokens that the prompt may have, and the token limit of the answer (0: no limit).
    """
    stated, received = completion.usage, (completion.text, completion.reasoning, *completion.unread)
    if prompt.endpoint == "embeddings":  # a vector has no tokens
        received = ()
    prompt_tokens, completion_tokens = stated.prompt_tokens, stated.completion_tokens
    is_prompt_stated = _can_be(prompt_tokens, [message.content for message in prompt.messages]) and prompt_tokens > 0
    if not is_prompt_stated:
        prompt_tokens = max(prompt_tokens, worst.prompt_tokens)
    # A zero counts as stated only beside a prompt's count: an answer may be empty, a prompt may not.
    is_answer_stated = not stated.partial and (is_prompt_stated or completion_tokens > 0)
    if not (is_answer_stated and _can_be(completion_tokens, received)):
        is_answer_stated = False
        limit = worst.completion_tokens
        # A server without a limit, or one that ignores it: no token is shorter than a byte.
        most = limit if limit and _can_be(limit, received) else sum(map(_bytes, received))
        completion_tokens = max(completion_tokens, most)
    cached = stated.cached_tokens if is_prompt_stated else 0
    usage = Usage(prompt_tokens, completion_tokens, cached, cost_usd=stated.cost_usd)
    return usage, not (is_prompt_stated and is_answer_stated)


def _can_be(tokens: int, texts: Sequence[str]) -> bool:
    """Return whether so few tokens can make up all of the texts."""
    if tokens * LONGEST_TOKEN < sum(map(len, texts)) or tokens * DENSE_A_TOKEN < sum(map(_dense, texts)):
        return False
    # Count blanks first, which takes a hundredth of the time: in most texts, that settles it.
    most_words = sum(text.count(" ") + text.count("\n") + 1 for text in texts)
    return tokens * WORDS_A_TOKEN >= most_words or tokens * WORDS_A_TOKEN >= sum(len(text.split()) for text in texts)


def _dense(text: str) -> int:
    return 0 if text.isascii() else sum(map(len, _DENSE.findall(text)))


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
