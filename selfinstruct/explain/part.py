"""Which piece of a raw answer a task was read from."""

from __future__ import annotations

import json
import re


def part_of(answer: str, instruction: str, following: str | None) -> str:
    """From where `instruction` begins, with what introduces it, to the next task; empty where it isn't found.

    Blanks may differ, and in an answer of JSON the instruction may be escaped.
    """
    start = _find(answer, instruction, 0)
    if start is None:
        return ""
    end = _find(answer, following, start + 1) if following else None
    return answer[_opening(answer, start) : len(answer) if end is None else _opening(answer, end)].strip("\n ,")


def _opening(answer: str, place: int) -> int:
    """Where the line, JSON object or item of a JSON list begins that `place` is in."""
    brace = answer.rfind("{", 0, place)
    others = max(answer.rfind(mark, 0, place) for mark in "\n[,")
    return brace if brace > others else others + 1


def _find(answer: str, instruction: str | None, start: int) -> int | None:
    if not instruction:
        return None
    for text in (instruction, json.dumps(instruction)[1:-1], json.dumps(instruction, ensure_ascii=False)[1:-1]):
        pattern = r"\s+".join(map(re.escape, text.split()))
        if match := re.compile(pattern).search(answer, start):
            return match.start()
    return None
