"""The fixed texts of a dataset's card, and how other texts are written so that they can't act as markup."""

from __future__ import annotations

import json
from typing import Any

from ..core.shipped import shipped_yaml

WORDS: dict[str, Any] = shipped_yaml(__package__, "card.yaml")


def indented_code(text: str) -> str:
    """Format a text as indented code, in which nothing acts as markup."""
    return "\n".join(f"    {escape(line)}" if line else "" for line in text.split("\n")).rstrip()


def escape_cell(text: str) -> str:
    """Escape a text for a cell of a table, where nothing in it can act as markup."""
    return escape(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;").replace("`", "'")


def escape(text: str) -> str:
    """Escape line breaks and unprintable characters like JSON does, so that JSON still decodes to the same text."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
