"""The columns that describe the origin of a row, next to the columns of its format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..config.run_config import RunConfig
from ..core.records import Example, Label, Record, Response
from ..journal.provenance import Lineage, iso

RowDict = dict[str, Any]

PROVENANCE: dict[str, Any] = {
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


SAMPLES: dict[str, Any] = {"sample": "int64", "samples": "int64"}
"""Additional columns if there are several answers to a prompt: the number of the chosen one, and how many there are."""

EVIDENCE: dict[str, Any] = {
    "evidence": [{"document": "string", "page": "int64", "start": "int64", "end": "int64", "text": "string"}]
}
"""Additional column if answers have evidence: its text, and its place in which document; see `Quote`."""

GROUND_TRUTH: dict[str, Any] = {
    "verifier": "string",
    "ground_truth": "string",
    "ground_truth_by": "string",
    "verified": "bool",
}
"""Additional columns if programs check answers: the name of the verifier, what `selfinstruct.verify` reads, where that
comes from ('program', or 'agreement' of the teacher's own answers), and whether the answer of the row is right."""

REVIEWED: dict[str, Any] = {"reviewed_by": ["string"], "edited_by": "string"}
"""Additional columns if people have reviewed records: the names of those who accepted the record, and of the person who
wrote some of its texts; null if a teacher wrote all of them."""

_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string"}


@dataclass(frozen=True, slots=True)
class ProvenanceColumns:
    """The columns of a run's rows: those of `PROVENANCE`, and others as far as the run has values for them.

    labels: the type of each label of the records, by its name. facets: the names of their facets. sampled: whether a
    prompt has several answers. neighbours, judged, evidence, checked: whether there are most similar tasks, a judge's
    marks, passages that support answers, and answers that a program checks. reviewed: whether people accepted records.
    """

    neighbours: bool = False
    judged: bool = False
    sampled: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    facets: tuple[str, ...] = ()
    evidence: bool = False
    checked: bool = False
    reviewed: bool = False

    @classmethod
    def of(cls, config: RunConfig, records: Iterable[Record] = ()) -> ProvenanceColumns:
        """Return the columns for a run with this configuration and these records."""
        labels: dict[str, str] = {}
        facets: dict[str, None] = {}
        evidence = checked = reviewed = False
        for record in records:
            for name, value in record.labels.items():
                kind = _TYPES[type(value)]
                labels[name] = kind if labels.get(name, kind) == kind else "string"
            facets |= dict.fromkeys(record.facets)
            reviewed = reviewed or record.reviewed is not None
            evidence = evidence or any(example.evidence for example in record.examples)
            checked = checked or any(example.ground_truth for example in record.examples)
        sampled = config.answers is not None and config.answers.samples > 1
        judged = config.judge is not None and not config.judge.compare
        return cls(config.neighbours > 0, judged, sampled, labels, tuple(facets), evidence, checked, reviewed)

    @property
    def features(self) -> dict[str, Any]:
        """Maps each column to the name of its `datasets.Value` type, in order."""
        facets = {f"facet_{name}": "string" for name in self.facets}
        optional = (EVIDENCE if self.evidence else {}) | (NEIGHBOURS if self.neighbours else {})
        optional |= (GROUND_TRUTH if self.checked else {}) | (REVIEWED if self.reviewed else {})
        optional |= (SAMPLES if self.sampled else {}) | (SCORES if self.judged else {})
        return {**self.labels, **PROVENANCE, **facets, **optional}

    def row(self, record: Record, example: Example, rows: int = 1, lineage: Lineage | None = None) -> RowDict:
        """Return the values for one row.

        rows: number of rows that share the record's cost equally. lineage: of the record; without it, the values that
        depend on it are None.
        """
        share = lineage.share.part(1, rows) if lineage else None
        nearest, best = record.novelty.nearest, example.responses[0]
        row: RowDict = {
            **{name: _label(record.labels.get(name), kind) for name, kind in self.labels.items()},
            "strategy": record.origin.strategy,
            "teacher": record.origin.teacher,
            "output_teacher": best.teacher,
            "prompt_version": record.origin.version,
            "prompt_hash": lineage.prompt_hash if lineage else None,
            "generation": lineage.generation if lineage else None,
            "question": record.question,
            "demonstrations": list(record.origin.demos),
            "nearest_id": nearest.id if nearest else None,
            "nearest_score": nearest.score if nearest else None,
            "run_id": lineage.run_id if lineage else None,
            "questions": list(lineage.questions) if lineage else None,
            "config_digest": lineage.config_digest if lineage else None,
            "checks_passed": list(lineage.passed) if lineage else None,
            "prompt_tokens": share.prompt_tokens if share else None,
            "completion_tokens": share.completion_tokens if share else None,
            **{f"facet_{name}": record.facets.get(name) for name in self.facets},
        }
        if self.evidence:
            row["evidence"] = [asdict(quote) for quote in example.evidence]
        if self.checked:
            truth = example.ground_truth
            row |= {"verifier": truth.verifier if truth else None, "ground_truth": truth.text if truth else None}
            row |= {"ground_truth_by": truth.by if truth else None, "verified": best.verified}
        if self.reviewed:
            by = record.reviewed
            row |= {"reviewed_by": list(by.by) if by else [], "edited_by": (by.edited_by or None) if by else None}
        if self.neighbours:
            row["most_similar"] = [{"id": n.id, "score": n.score} for n in record.novelty.neighbours]
            row["mean_similarity"] = record.novelty.mean_similarity
        if self.sampled:
            row |= {"sample": best.sample, "samples": len(example.responses) + len(example.others)}
        if self.judged:
            row |= _marks(best)
        return row


def _label(value: Label | None, kind: str) -> Label | None:
    return str(value) if kind == "string" and value is not None else value


def request_row(record: Record, lineage: Lineage) -> RowDict:
    """Return the record's row in the config `provenance`."""
    return {
        "id": record.id,
        "run_id": lineage.run_id,
        "generation": lineage.generation,
        "teacher": record.origin.teacher,
        "teacher_host": lineage.host,
        "output_teacher": record.examples[0].responses[0].teacher,
        "output_host": lineage.output_host,
        "asked_at": iso(lineage.asked_at),
        "prompt_tokens": lineage.share.prompt_tokens,
        "completion_tokens": lineage.share.completion_tokens,
        "cost_usd": lineage.share.cost_usd,
    }


def _marks(response: Response) -> RowDict:
    judged = response.verdicts.get("judge")
    # The judge gave no marks for this answer, or the record was finished before there was a judge.
    if judged is None or not response.marks:
        return dict.fromkeys(SCORES)
    marks: RowDict = {f"judge_{name}": int(mark) for name, mark in response.marks.items()}
    return marks | {"judge_score": judged.score, "judge_reason": judged.detail, "judge": judged.by}
