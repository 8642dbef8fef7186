"""Comparisons whose results are known: datasets, made-up grades, and a made-up student trial."""

from __future__ import annotations

import json
import random
from itertools import combinations
from pathlib import Path

from selfinstruct.worth.blind_comparison import Worth, compare, reading
from selfinstruct.worth.blind_reading import Grade, Grades
from selfinstruct.worth.trial import ArmEffect, Interval, PairEffect, Trial


def datasets(folder: Path, names: list[str], rows: int = 60) -> list[str]:
    """Write datasets of different rows, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in names:
        paths.append(str(folder / f"{name}.jsonl"))
        values = [{"instruction": f"Name {name} thing {n}.", "output": f"It is {n} {n + 1}."} for n in range(rows)]
        Path(paths[-1]).write_text("".join(json.dumps(each) + "\n" for each in values), encoding="utf-8")
    return paths


def grades_of(sources: list[str], shares: list[float], grades: Path, reader: str, rows: int = 1000) -> None:
    """Grade the first `rows` rows to read; shares: of rows to keep of each source."""
    draw, chances = random.Random(reader), dict(zip(sources, shares, strict=True))
    for row in list(reading(sources, grades, reader).rows.values())[:rows]:
        kept = draw.random() < chances[row.sources[0]]
        level = draw.choice(["easy", "medium", "hard"])
        Grades(grades).add(Grade(row.digest, reader, valid=True, correct=kept, keep=kept, difficulty=level))


def compared(folder: Path, names: list[str], shares: list[float], *, unfinished: str | None = None) -> Worth:
    """Compare datasets that anna has read. unfinished: a second reader, who has read three rows."""
    sources, grades = datasets(folder, names), folder / "grades.jsonl"
    grades_of(sources, shares, grades, "anna")
    if unfinished:
        grades_of(sources, shares, grades, unfinished, rows=3)
    return compare(sources, grades)


def planted_trial(names: list[str], control_loses: float = 0.3) -> Trial:
    """Return a trial in which each dataset's answers belong to their tasks less than those of the one before."""

    def interval(value: float) -> Interval:
        return Interval(value, value - 0.04, value + 0.04)

    arms = [
        ArmEffect(name, 50, 9000, interval(-0.3), interval(-0.1 * number), (50 - number, 200))
        for number, name in enumerate(names)
    ]
    control = ArmEffect("control", 50, 9000, interval(-0.2), interval(-control_loses), (10, 200))
    pairs = [
        PairEffect(
            first.name,
            second.name,
            interval(second.d_nll.value - first.d_nll.value),
            interval(second.d_gap.value - first.d_gap.value),
        )
        for first, second in combinations(arms, 2)
    ]
    loses = interval(control_loses)
    return Trial(arms, control, pairs, 120, {"too long": 7}, 3, "student-1", loses, untrained_passed=(9, 200))
