"""Suggest the intended name in messages about unknown names; used by config, seeds, and the CLI."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
