"""Count the tokens of a row with a tokenizer, or estimate them from the bytes. `validation` uses this module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import UsageError

# A crude average for English and code; other scripts differ.
BYTES_PER_TOKEN = 4

Measure = Callable[[str], int]


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text: UTF-8 bytes / BYTES_PER_TOKEN, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def load_counter(tokenizer: Path) -> Measure:
    """Return a function that counts tokens with a model's `tokenizer.json`, without those of a chat template.

    Raises UsageError if the file can't be read, or the package `tokenizers` is not installed.
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
    except Exception as error:  # the package raises anything on a foreign file
        raise UsageError(f"--tokenizer {tokenizer}: not a tokenizer.json: {' '.join(str(error).split())}") from None
    loaded.no_truncation()
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)
