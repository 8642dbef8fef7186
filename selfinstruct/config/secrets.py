"""Keeps API keys out of messages: recognizes names that look like part of a key. All of `config` uses it."""

from __future__ import annotations

import re


def safe_key(key: str) -> str:
    """Return a key's path for a message, masked if it looks like a secret."""
    words = re.split(r"[._-]", key)
    # 'sk-' and 'hf_' begin the keys of OpenAI and Hugging Face
    secret = re.match(r"sk-|hf_", key) or any(len(w) > 24 or random_looking(w) for w in words)
    return "(a key that is not shown)" if secret or not key.isprintable() else key


def random_looking(word: str) -> bool:
    """Return whether part of a name looks like part of an API key: long, with digits or in mixed case."""
    mixed = word.upper() != word != word.lower()
    digits = any(char.isdigit() for char in word) and any(char.isalpha() for char in word)
    return (len(word) >= 12 and digits) or (len(word) > 20 and mixed)
