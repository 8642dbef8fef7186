"""Words of messages about wrong names and values; used by config, seeds, and the CLI."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Terms of pydantic's messages, and the words of this package.
_PLAIN = {
    "Value error, ": "",
    "Field required": "is missing",
    "Input should be": "must be",
    "a valid tuple": "a list",
    "a valid string": "text",
    "a valid number": "a number",
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid dictionary": "a mapping",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    ", unable to parse string as an integer": "",
    ", unable to parse string as a number": "",
}


def in_plain_words(message: str) -> str:
    """Return a message of pydantic in the words of this package.

    'Input should be less than or equal to 1' -> 'must be at most 1'
    """
    for term, plain in _PLAIN.items():
        message = message.replace(term, plain)
    return message


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `word`, ignoring case, or None if none is similar."""
    names = {name.lower(): name for name in known}
    # Swapped letters first: 'modle' means 'model', though 'mode' has the better ratio.
    for name in names:
        if sorted(name) == sorted(word.lower()):
            return names[name]
    # With a cutoff of 0.6, 'instuction' finds 'instruction', and 'text' doesn't find 'tokens'.
    matches = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[matches[0]] if matches else None
