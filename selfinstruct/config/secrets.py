"""Keeps API keys out of error messages. All of `config` uses this module."""

from __future__ import annotations

import re


def safe_key(key: str) -> str:
    """Return a configuration key for a message, masked if a secret was typed in its place.

    'teacher.model' is returned as it is; 'teacher.sk-proj-abc123' is masked.
    """
    words = re.split(r"[._-]", key)
    # The API keys of OpenAI and Hugging Face begin with 'sk-' and 'hf_'.
    secret = re.match(r"sk-|hf_", key) or any(len(w) > 24 or random_looking(w) for w in words)
    return "(a key that is not shown)" if secret or not key.isprintable() else key


def random_looking(word: str) -> bool:
    """Return whether a word looks random, as API keys do: long, with digits or in mixed case."""
    mixed = word.upper() != word != word.lower()
    digits = any(char.isdigit() for char in word) and any(char.isalpha() for char in word)
    # No key of the configuration matches: 'max_failures_in_a_row' is split at '_', and has no digits.
    return (len(word) >= 12 and digits) or (len(word) > 20 and mixed)
