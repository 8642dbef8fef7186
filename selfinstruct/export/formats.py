"""One dataset row a record, in the columns that each kind of trainer reads.

To add one: a function `(instruction, instance) -> dict` with its features, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..provenance import Origin, iso
from ..schema import Instance, Record, Scores
from ..suggest import closest

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """The columns of one dataset config. `features` uses the names of `datasets.Value` types."""

    row: Callable[[str, Instance], Row]
    features: Mapping[str, Any]


def user_text(instruction: str, given: str) -> str:
    """What the user says: the instruction, a blank line, the input where there is one."""
    return f"{instruction}\n\n{given}" if given else instruction


def _messages(instruction: str, instance: Instance) -> Row:
    return {
        "messages": [
            {"role": "user", "content": user_text(instruction, instance.input)},
            {"role": "assistant", "content": instance.output},
        ]
    }


def _prompt_completion(instruction: str, instance: Instance) -> Row:
    return {"prompt": user_text(instruction, instance.input) + "\n\n", "completion": instance.output}


def _alpaca(instruction: str, instance: Instance) -> Row:
    return {"instruction": instruction, "input": instance.input, "output": instance.output}


FORMATS: dict[str, Format] = {
    "messages": Format(_messages, {"messages": [{"role": "string", "content": "string"}]}),
    "prompt_completion": Format(_prompt_completion, {"prompt": "string", "completion": "string"}),
    "alpaca": Format(_alpaca, {"instruction": "string", "input": "string", "output": "string"}),
}

PROVENANCE: dict[str, Any] = {
    "is_classification": "bool",
    "strategy": "string",
    "teacher": "string",
    "output_teacher": "string",
    "prompt_version": "string",
    "question": "int64",
    "demonstrations": ["string"],
    "nearest_id": "string",
    "nearest_score": "float64",
    "run_id": "string",
    "questions": ["string"],
    "config_digest": "string",
    "checks_passed": ["string"],
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
}
"""Columns that say how a row came to be; every format has them. `nearest_score` is ROUGE-L F, 0 to 1. Tokens are its
share of what was asked, see `provenance`. All of it follows from the answers, whenever and wherever they were asked."""

PROVENANCE_CONFIG = "provenance"
ASKING: dict[str, Any] = {
    "id": "string",
    "run_id": "string",
    "teacher": "string",
    "teacher_host": "string",
    "output_teacher": "string",
    "output_host": "string",
    "asked_at": "string",
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
    "cost_usd": "float64",
}
"""Columns of the config `provenance`, one row a record: who was asked where and when, at what price. They stand apart,
so that the same answers give the same rows, byte for byte."""

NEIGHBOURS: dict[str, Any] = {
    "most_similar": [{"id": "string", "score": "float64"}],
    "mean_similarity": "float64",
}
"""Further columns where `neighbours` is set."""

SCORES: dict[str, Any] = {
    **{f"judge_{name}": "int8" for name in ("clarity", "correctness", "helpfulness", "safety")},
    "judge_score": "float64",
    "judge_reason": "string",
    "judge": "string",
}
"""Further columns where there is a judge: its marks, 1 to 5, their mean, and the model that gave them."""


def check_format(name: str) -> None:
    """Raises ConfigError when no format has this name."""
    if name not in FORMATS:
        guess = closest(name, FORMATS)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(FORMATS)}"
        raise ConfigError(f"dataset.formats: {name!r} is unknown; {hint}")


def rows_of(
    record: Record,
    format: Format,
    all_instances: bool = False,
    neighbours: bool = False,
    judged: bool = False,
    origin: Origin | None = None,
) -> list[Row]:
    """The rows of one record: of its first instance, or of every one (ids then end in '.1', '.2' ...).

    What the record has cost is shared equally by its rows.
    """
    rows = []
    instances = record.instances if all_instances else record.instances[:1]
    share = origin.share.part(1, len(instances)) if origin and instances else None
    for number, instance in enumerate(instances):
        row: Row = {"id": record.id if number == 0 else f"{record.id}.{number}"}
        row |= format.row(record.instruction, instance)
        row |= {
            "is_classification": record.is_classification,
            "strategy": record.strategy,
            "teacher": record.teacher,
            "output_teacher": record.output_teacher,
            "prompt_version": record.prompt_version,
            "question": record.question,
            "demonstrations": list(record.demos),
            "nearest_id": record.nearest.id if record.nearest else None,
            "nearest_score": record.nearest.score if record.nearest else None,
            "run_id": origin.run_id if origin else None,
            "questions": list(origin.questions) if origin else None,
            "config_digest": origin.config_digest if origin else None,
            "checks_passed": list(origin.passed) if origin else None,
            "prompt_tokens": share.prompt_tokens if share else None,
            "completion_tokens": share.completion_tokens if share else None,
        }
        if neighbours:
            row["most_similar"] = [{"id": n.id, "score": n.score} for n in record.neighbours]
            row["mean_similarity"] = record.mean_similarity
        if judged:
            row |= _marks(record.scores[number] if number < len(record.scores) else None)
        rows.append(row)
    return rows


def asking_of(record: Record, origin: Origin) -> Row:
    """The record's row in the config `provenance`."""
    return {
        "id": record.id,
        "run_id": origin.run_id,
        "teacher": record.teacher,
        "teacher_host": origin.host,
        "output_teacher": record.output_teacher,
        "output_host": origin.output_host,
        "asked_at": iso(origin.asked_at),
        "prompt_tokens": origin.share.prompt_tokens,
        "completion_tokens": origin.share.completion_tokens,
        "cost_usd": origin.share.cost_usd,
    }


def _marks(scores: Scores | None) -> Row:
    if scores is None:
        return dict.fromkeys(SCORES)
    marks = {f"judge_{name}": getattr(scores, name) for name in ("clarity", "correctness", "helpfulness", "safety")}
    return marks | {"judge_score": scores.mean, "judge_reason": scores.reason, "judge": scores.judge}
