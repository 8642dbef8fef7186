"""The columns that describe the origin of a row, next to the columns of its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..config.run_config import RunConfig
from ..core.tasks import Record, Scores
from ..journal.provenance import Origin, iso

RowDict = dict[str, Any]

PROVENANCE: dict[str, Any] = {
    "is_classification": "bool",
    "strategy": "string",
    "teacher": "string",
    "output_teacher": "string",
    "prompt_version": "string",
    "prompt_hash": "string",
    "generation": "int64",
    "question": "int64",
    "demonstrations": ["string"],
    "nearest_id": "string",
    "nearest_score": "float64",
    "run_id": "string",
    "questions": ["string"],
    "config_digest": "string",
    "checks_passed": ["string"],
    # Shares of a request's tokens are fractions.
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
}
"""Columns of every format with provenance. `nearest_score` is ROUGE-L F, 0 to 1; `generation` is that of the proposal;
tokens are the row's share of all requests. The values depend on the answers alone, not on time or place."""

PROVENANCE_CONFIG = "provenance"
REQUEST_COLUMNS: dict[str, Any] = {
    "id": "string",
    "run_id": "string",
    "generation": "int64",
    "teacher": "string",
    "teacher_host": "string",
    "output_teacher": "string",
    "output_host": "string",
    "asked_at": "string",
    "prompt_tokens": "float64",
    "completion_tokens": "float64",
    "cost_usd": "float64",
}
"""Columns of the config `provenance`, which has one row per record: teacher, server, time, and cost. They have a config
of their own, so that the same answers give the same rows in all other configs, byte for byte."""

NEIGHBOURS: dict[str, Any] = {
    "most_similar": [{"id": "string", "score": "float64"}],
    "mean_similarity": "float64",
}
"""Additional columns if `neighbours` is set."""

SCORES: dict[str, Any] = {
    **{f"judge_{name}": "int8" for name in ("clarity", "correctness", "helpfulness", "safety")},
    "judge_score": "float64",
    "judge_reason": "string",
    "judge": "string",
}
"""Additional columns if there is a judge: its marks, 1 to 5, their mean, and the name of the model."""


@dataclass(frozen=True, slots=True)
class ProvenanceColumns:
    """The columns of a run's rows: those of `PROVENANCE`, and optionally the most similar tasks and a judge's marks."""

    neighbours: bool = False
    judged: bool = False

    @classmethod
    def of(cls, config: RunConfig) -> ProvenanceColumns:
        """Return the columns for a run with this configuration."""
        return cls(config.neighbours > 0, config.judge is not None)

    @property
    def features(self) -> dict[str, Any]:
        """Maps each column to the name of its `datasets.Value` type, in order."""
        return PROVENANCE | (NEIGHBOURS if self.neighbours else {}) | (SCORES if self.judged else {})

    def row(self, record: Record, number: int = 0, rows: int = 1, origin: Origin | None = None) -> RowDict:
        """Return the values for one row.

        Args:
            record: The record of the row.
            number: Index of the row's instance in the record.
            rows: Number of rows that share the record's cost equally.
            origin: Origin of the record; without it, the values that depend on it are None.
        """
        share = origin.share.part(1, rows) if origin else None
        row: RowDict = {
            "is_classification": record.is_classification,
            "strategy": record.strategy,
            "teacher": record.teacher,
            "output_teacher": record.output_teacher,
            "prompt_version": record.prompt_version,
            "prompt_hash": origin.prompt_hash if origin else None,
            "generation": origin.generation if origin else None,
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
        if self.neighbours:
            row["most_similar"] = [{"id": n.id, "score": n.score} for n in record.neighbours]
            row["mean_similarity"] = record.mean_similarity
        # A record has one score per instance, or none at all if it was finished before there was a judge.
        if self.judged:
            row |= _marks(record.scores[number] if number < len(record.scores) else None)
        return row


def request_row(record: Record, origin: Origin) -> RowDict:
    """Return the record's row in the config `provenance`."""
    return {
        "id": record.id,
        "run_id": origin.run_id,
        "generation": origin.generation,
        "teacher": record.teacher,
        "teacher_host": origin.host,
        "output_teacher": record.output_teacher,
        "output_host": origin.output_host,
        "asked_at": iso(origin.asked_at),
        "prompt_tokens": origin.share.prompt_tokens,
        "completion_tokens": origin.share.completion_tokens,
        "cost_usd": origin.share.cost_usd,
    }


def _marks(scores: Scores | None) -> RowDict:
    # The judge gave no marks for this instance.
    if scores is None:
        return dict.fromkeys(SCORES)
    marks = {f"judge_{name}": getattr(scores, name) for name in ("clarity", "correctness", "helpfulness", "safety")}
    return marks | {"judge_score": scores.mean, "judge_reason": scores.reason, "judge": scores.judge}
