"""How well the rules for small teachers (`filters.unusable`) tell records that a strict reader would keep.

    python benchmarks/rules.py

Reads the committed grades (benchmarks/grades/strategies.yaml), and prints for each rule how many records it hits, and
how many of them the reader refused. Few records, all of one small model, and the reader wrote the rules: treat the
figures as what they are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from selfinstruct.core.records import Example, GroundTruth, Response
from selfinstruct.core.tasks import Candidate
from selfinstruct.filters.unusable import Unusable

GRADES = Path(__file__).parent / "grades" / "strategies.yaml"
NOTHING: Any = None


def reason_of(row: dict[str, Any]) -> str | None:
    """Return the first rule that hits a record, or None."""
    language = "de" if row["run"] == "handbuch" else "en"
    rules, drawn = Unusable(language), row["run"] == "verifiable" or "verifier" in row
    # The instruction of a drawn task has paragraphs of its own.
    instruction, _, given = (row["prompt"], "", "") if drawn else row["prompt"].partition("\n\n")
    verdict = rules.check(Candidate(instruction, given))
    if not verdict.ok and not drawn:
        return verdict.reason
    truth = GroundTruth(row.get("verifier", "constraints"), "{}") if drawn else None
    example = Example.of(instruction, given, Response(row["answer"]))
    example = Example(example.messages, example.responses, given, ground_truth=truth)
    return asyncio.run(rules.check_answer(Candidate(instruction, given), example, NOTHING)).reason


def main() -> None:
    rows = yaml.safe_load(GRADES.read_text(encoding="utf-8"))["rows"]
    hits, right = Counter[str](), Counter[str]()
    for row in rows:
        if reason := reason_of(row):
            hits[reason] += 1
            right[reason] += not row["kept"]
    refused = sum(not row["kept"] for row in rows)
    print(f"{len(rows)} records, {refused} of them refused by the reader")
    for reason, count in hits.most_common():
        print(f"{reason:>16}: hits {count}, refused by the reader, too: {right[reason]}")
    print(f"{'all':>16}: precision {right.total()} of {hits.total()}, recall {right.total()} of {refused}")


if __name__ == "__main__":
    main()
