"""How long a row is in tokens: counted by a tokenizer, or estimated from its bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import UsageError

BYTES_PER_TOKEN = 4
"""What a token of English or code is taken for without a tokenizer; other scripts have more tokens a byte or fewer."""

Measure = Callable[[str], int]


def estimated(text: str) -> int:
    """Tokens, about: bytes of UTF-8 by `BYTES_PER_TOKEN`, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def counter(tokenizer: Path) -> Measure:
    """Counts tokens with a model's `tokenizer.json`, without the special ones of a chat template.

    Raises UsageError: the file can't be read, or the package `tokenizers` isn't there.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("--tokenizer needs the package 'tokenizers': pip install 'selfinstruct[tokenizer]'") from None
    file = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    if not file.is_file():
        raise UsageError(f"--tokenizer {tokenizer}: no such file; name a model's tokenizer.json")
    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:  # whatever the package raises on a foreign file ends as one line
        raise UsageError(f"--tokenizer {tokenizer}: not a tokenizer.json: {' '.join(str(error).split())}") from None
    loaded.no_truncation()
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)
