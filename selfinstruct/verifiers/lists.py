"""The verifier 'lists': reads a list in the form that was asked for, and compares its items one by one."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from ..core.programs import Run
from ..core.tasks import PASS, Verdict
from .structured import find_block

_SEPARATORS = {"commas": "[,，、]", "semicolons": "[;；]"}
_END = ".。"


async def verify(expected: Any, answer: str, run: Run) -> Verdict:
    """Compare the list in an answer with the expected one.

    Args:
        expected: {"form": "bullets", "items": ["north", "south"]}; the forms are those of `READERS`. With "any": 2, the
            answer has that many of the items, each once and in any order. An item may begin with a capital letter,
            unless "exact" is true.
        answer: What the teacher wrote: the list in this form and nothing else; any text.
        run: Not used.
    """
    form, items, count = expected["form"], expected["items"], expected.get("any")
    found = READERS[form](answer.strip())
    if found is None:
        return Verdict("wrong_answer", f"not only a list in the form {form}")
    items, found = ([_folded(each) for each in several] for several in (items, found))
    if not expected.get("exact"):
        capitals = {each[:1].upper() + each[1:]: each for each in items}
        found = [capitals.get(each, each) for each in found]
    if len(found) != (count or len(items)):
        return Verdict("wrong_answer", f"{len(found)} items instead of {count or len(items)}")
    if count is None:
        wrong = next((pair for pair in zip(found, items, strict=True) if pair[0] != pair[1]), None)
        return Verdict("wrong_answer", f'"{wrong[0][:80]}" instead of "{wrong[1]}"') if wrong else PASS
    strange = next((each for each in found if each not in items or found.count(each) > 1), None)
    return PASS if strange is None else Verdict("wrong_answer", f'"{strange[:80]}" is no item, or there twice')


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _by_line(mark: Callable[[int], str]) -> Callable[[str], list[str] | None]:
    """Return a reader of lines, the n-th of which begins with the pattern `mark(n)`."""

    def read(text: str) -> list[str] | None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        matches = [re.fullmatch(rf"{mark(number)}(\S.*)", line) for number, line in enumerate(lines, 1)]
        return [match[1] for match in matches if match] if all(matches) else None

    return read


def _on_one_line(form: str) -> Callable[[str], list[str] | None]:
    def read(text: str) -> list[str] | None:
        if "\n" in text:
            return None
        parts = [part.strip() for part in re.split(_SEPARATORS[form], text.rstrip(_END))]
        return parts if all(parts) else None

    return read


def _json(text: str) -> list[str] | None:
    try:
        found = json.loads(find_block(text, "json"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else None


READERS: Mapping[str, Callable[[str], list[str] | None]] = {
    "bullets": _by_line(lambda _: r"- +"),
    "numbered": _by_line(lambda number: rf"{number}[.)](?:\s+|(?=[\u3400-\u9fff]))"),
    "lines": _by_line(lambda _: r"(?![-*•]\s|\d+[.)]\s)"),
    "commas": _on_one_line("commas"),
    "semicolons": _on_one_line("semicolons"),
    "json": _json,
}
"""Reads the items of a list in each form; None if the text is anything else."""
WRITERS: Mapping[str, Callable[[list[str]], str]] = {
    "bullets": lambda items: "\n".join(f"- {each}" for each in items),
    "numbered": lambda items: "\n".join(f"{number}. {each}" for number, each in enumerate(items, 1)),
    "lines": "\n".join,
    "commas": ", ".join,
    "semicolons": "; ".join,
    "json": lambda items: json.dumps(items, ensure_ascii=False),
}
"""Writes items in each form."""
