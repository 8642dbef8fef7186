"""Runs configurations, writes their answers to be read, and computes what the checks and the retries are worth.

`checks.py collect` and `checks.py kept` use it. Three ways to use a teacher are compared on the same answers:

- `first answer`: the first answer to each task, whatever the checks say;
- `checked`: only the first answers that the checks accept;
- `retried`: the records of the run, whose answers passed the first time or when asked again.
"""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import selfinstruct as si
from selfinstruct.core.records import Record
from selfinstruct.filters import ANSWER_CHECKS
from selfinstruct.journal.provenance import Trail
from selfinstruct.journal.snapshot import Snapshot, read

GRADES = Path(__file__).parent / "grades" / "checks.yaml"
WAYS = ("first answer", "checked", "retried")
_ALL = 10**6
_UNCHECKED = ["filters.wrong_answer=label", *(f"filters.{name}=false" for name in ANSWER_CHECKS)]
Place = tuple[int, int]


@dataclass
class Totals:
    """What a run made of the tasks of a kind. Tokens are completion tokens, proposals and lost tasks included."""

    tasks: int = 0
    passed: int = 0
    records: int = 0
    tokens_first: float = 0.0
    tokens: float = 0.0
    seconds_first: float = 0.0
    seconds: float = 0.0

    def cost(self, way: str) -> tuple[int, float, float]:
        """Return how many rows a way gives, and the tokens and seconds for all of them."""
        if way == "retried":
            return self.records, self.tokens, self.seconds
        return self.tasks if way == "first answer" else self.passed, self.tokens_first, self.seconds_first


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines line by line."""


_Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


# --- collect ----------------------------------------------------------------------------------


def collect(paths: Sequence[Path], folder: Path, records: int, minutes: float, sets: Sequence[str] = ()) -> Path:
    """Run each configuration for some minutes, and write the answers of all to FOLDER/checks.yaml.

    A run continues where an earlier call stopped. Reading needs no request: what the first answers were is replayed
    without the checks of answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"runs": {}, "rows": []}
    for path in paths:
        name = path.stem
        config = si.RunConfig.load(path, list(sets), run_dir=folder / name, target=records, min_yield=0.0)
        si.run(config, max_runtime_s=60 * minutes, progress=None)
        unchecked = folder / f"{name}.unchecked"
        shutil.rmtree(unchecked, ignore_errors=True)
        si.refilter(folder / name, unchecked, _UNCHECKED, target=_ALL, min_yield=0.0)
        totals, rows = answers_of(folder / name, unchecked, name)
        found["runs"][name] = {kind: vars(each) for kind, each in totals.items()}
        found["rows"] += rows
    text = yaml.dump(found, Dumper=_Readable, allow_unicode=True, sort_keys=False, width=120)
    (folder / "checks.yaml").write_text(text, encoding="utf-8")
    return folder / "checks.yaml"


def answers_of(run: Path, unchecked: Path, name: str) -> tuple[dict[str, Totals], list[dict[str, Any]]]:
    """Return the totals of a run by kind of task, and its answers as rows to grade.

    unchecked: the same run, replayed without checks of answers.
    """
    with read(run) as snapshot, read(unchecked) as replayed:
        final = {(each.question, each.index): each for each in snapshot.journal.records(_ALL)}
        first = {(each.question, each.index): each for each in replayed.journal.records(_ALL)}
        spent, spent_first = Trail(snapshot), Trail(replayed)
        seconds, written = busy_seconds(snapshot), completion_tokens(snapshot)
    totals: dict[str, Totals] = defaultdict(Totals)
    rows: list[dict[str, Any]] = []
    for place in sorted(final.keys() | first.keys()):
        begun, kept = first.get(place), final.get(place)
        kind = kind_of(begun or kept)
        each = totals[kind]
        passed = begun is not None and kept is not None and answer_in(begun) == answer_in(kept)
        each.tasks += 1
        each.passed += passed
        each.records += kept is not None
        each.tokens += spent.share(*place).completion_tokens
        each.tokens_first += (spent_first if begun else spent).share(*place).completion_tokens
        if begun is not None:
            rows.append(row(name, kind, begun, sample=0, passed=passed))
        if kept is not None and not passed:
            rows.append(row(name, kind, kept, sample=kept.examples[0].responses[0].sample, passed=True))
    # Answers without a task, and tasks that were no new ones, are a cost of all others.
    counted = sum(each.tokens for each in totals.values())
    factor = written / counted if counted else 1.0
    for each in totals.values():
        extra = each.tokens * (factor - 1)
        each.tokens, each.tokens_first = round(each.tokens + extra, 1), round(each.tokens_first + extra, 1)
        each.seconds, each.seconds_first = (
            round(seconds * tokens / written, 1) if written else 0.0 for tokens in (each.tokens, each.tokens_first)
        )
    return dict(totals), rows


def row(name: str, kind: str, record: Record, *, sample: int, passed: bool) -> dict[str, Any]:
    """A row to grade. `kept` is for the reader: true, or false with a reason."""
    example = record.examples[0]
    return {
        "run": name,
        "kind": kind,
        "task": f"q{record.question}.{record.index}",
        "sample": sample,
        "passed": passed,
        "prompt": example.messages[-1].content,
        "answer": answer_in(record),
        "kept": None,
        "reason": "",
    }


def kind_of(record: Record | None) -> str:
    """The verifier of a record, or what a mix calls its part, or 'plain'."""
    assert record is not None
    truth = record.examples[0].ground_truth
    return truth.verifier if truth else str(record.labels.get("part", "plain"))


def answer_in(record: Record) -> str:
    return record.examples[0].output


def completion_tokens(snapshot: Snapshot) -> int:
    [(tokens,)] = snapshot.journal.query("SELECT sum(completion_tokens) FROM answers")
    return int(tokens or 0)


def busy_seconds(snapshot: Snapshot) -> float:
    """Seconds in which at least one request was in flight; pauses between starts don't count."""
    intervals = snapshot.journal.query("SELECT asked_at, asked_at + latency_s FROM answers ORDER BY asked_at")
    seconds, last = 0.0, -math.inf
    for begun, ended in intervals:
        seconds += max(0.0, ended - max(begun, last))
        last = max(last, ended)
    return seconds


# --- kept -------------------------------------------------------------------------------------


def wilson(kept: int, rows: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95% interval of a share after Wilson, such as (0.36, 0.61) for 29 of 60.

    >>> [round(each, 2) for each in wilson(29, 60)]
    [0.36, 0.61]
    """
    if rows == 0:
        return 0.0, 1.0
    share, shrunk = kept / rows, 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / shrunk
    half = z / shrunk * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(0.0, middle - half), min(1.0, middle + half)


def graded(rows: Iterable[dict[str, Any]], way: str) -> Iterator[dict[str, Any]]:
    """Yield the rows that a way gives and that the reader has graded."""
    for each in rows:
        counts = {"first answer": each["sample"] == 0, "checked": each["sample"] == 0 and each["passed"]}
        if counts.get(way, each["passed"]) and each["kept"] is not None:
            yield each


def kept(path: Path = GRADES) -> str:
    """Return the table of a graded file: share kept with its interval, tokens and seconds per kept record."""
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    heads = ("run", "kind", "", "rows", "graded", "kept", "95% interval", "tokens/kept", "s/kept")
    lines = [heads]
    for name, kinds in given["runs"].items():
        totals = {kind: Totals(**each) for kind, each in kinds.items()}
        if len(totals) > 1:
            summed = (sum(values) for values in zip(*(vars(each).values() for each in totals.values()), strict=True))
            totals["all"] = Totals(*summed)  # type: ignore[arg-type]
        for kind, total in totals.items():
            rows = [each for each in given["rows"] if each["run"] == name and kind in ("all", each["kind"])]
            for way in WAYS:
                read_, (count, tokens, seconds) = list(graded(rows, way)), total.cost(way)
                good = sum(each["kept"] for each in read_)
                low, high = wilson(good, len(read_))
                made = count * good / len(read_) if read_ else 0.0  # records that the reader would keep of all
                costs = [f"{cost / made:,.0f}" if made else "-" for cost in (tokens, seconds)]
                share = f"{good} ({good / len(read_):.0%})" if read_ else "-"
                interval = f"{low:.0%} to {high:.0%}" if read_ else "-"
                figures = (str(count), str(len(read_)), share, interval, *costs)
                if lines[-1][:2] != (name, kind) or lines[-1][3:] != figures:  # nothing refused, or no retries
                    lines.append((name, kind, way, *figures))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
