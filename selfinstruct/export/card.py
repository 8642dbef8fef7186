"""The dataset's card: YAML that the hub and `load_dataset` read, and a text that says only what is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import _version
from ..config import DatasetConfig, RunConfig
from ..runs import Run, Status
from ..schema import Record

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_METHODS = {
    "alpaca": "Stanford Alpaca's way of asking (Taori et al. 2023): one question brings whole tasks.",
    "self_instruct": "Self-Instruct (Wang et al. 2022, arXiv 2212.10560): instructions, then is it a classification, "
    "then instances.",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one format, as it was written: its rows, bytes in memory and bytes on disk."""

    format: str
    split: str
    rows: int
    bytes: int
    file_bytes: int
    features: Any


def write_card(
    folder: Path, run: Run, settings: DatasetConfig, records: Sequence[Record], parts: Sequence[Part]
) -> None:
    """Write README.md into the dataset's folder."""
    head = yaml.safe_dump(_metadata(run, settings, records, parts), sort_keys=False, allow_unicode=True, width=100)
    text = _text(run, settings, records, parts)
    (folder / "README.md").write_text(f"---\n{head}---\n\n{text}", encoding="utf-8")


def _metadata(run: Run, settings: DatasetConfig, records: Sequence[Record], parts: Sequence[Part]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if settings.license is not None:
        metadata["license"] = settings.license
    if run.config.language != "any":
        metadata["language"] = [run.config.language]
    metadata |= {
        "pretty_name": settings.title or run.name,
        "size_categories": [next((name for most, name in _SIZES if len(records) < most), "1M<n<10M")],
        "task_categories": ["text-generation"],
        "annotations_creators": ["machine-generated"],
        "tags": ["synthetic", "instruction-tuning", "self-instruct"],
        "configs": [_config(name, parts, name == settings.formats[0]) for name in settings.formats],
        "dataset_info": [_info(name, parts) for name in settings.formats],
    }
    return metadata


def _config(name: str, parts: Sequence[Part], default: bool) -> dict[str, Any]:
    files = [{"split": p.split, "path": f"{name}/{p.split}-*.parquet"} for p in parts if p.format == name]
    return {"config_name": name, **({"default": True} if default else {}), "data_files": files}


def _info(name: str, parts: Sequence[Part]) -> dict[str, Any]:
    own = [part for part in parts if part.format == name]
    splits = [{"name": p.split, "num_bytes": p.bytes, "num_examples": p.rows} for p in own]
    return {
        "config_name": name,
        "features": own[0].features._to_yaml_list(),
        "splits": splits,
        "download_size": sum(part.file_bytes for part in own),
        "dataset_size": sum(part.bytes for part in own),
    }


def _text(run: Run, settings: DatasetConfig, records: Sequence[Record], parts: Sequence[Part]) -> str:
    config, status = run.config, run.status()
    default = settings.formats[0]
    return f"""# {settings.title or run.name}

{len(records):,} instruction records, written by a language model and not checked by people.

    from datasets import load_dataset
    rows = load_dataset("path/to/this/folder", "{default}", split="train")

| config | {" | ".join(part.split for part in parts if part.format == default)} |
|---|{"---|" * sum(part.format == default for part in parts)}
{_sizes(settings.formats, parts)}

## How it was made

{_METHODS.get(config.strategy, f"Strategy `{config.strategy}`.")}
Program: selfinstruct {_version.VERSION}, run {run.id}.

| | |
|---|---|
{_teachers(config)}
| seed tasks | {status.seed_tasks:,} |
| prompt wording | {", ".join(sorted({record.prompt_version for record in records}))} |
| random seed | {config.random_seed} |
| novelty | refused {"from" if config.refuse_equal else "above"} ROUGE-L F {config.max_similarity:g} to seeds and pool |
{_counts(status)}

{_refusals(status)}
## Licence

{_licence(settings)}

## Limits and risks

- Instructions, inputs and outputs are a model's. They hold errors of fact and of arithmetic, and the teacher's
  stereotypes. Nobody has read them all.
- Novelty is a matter of wording: two tasks that ask for the same thing in other words may both be here.
- Not checked: truth of the outputs, safety, personal data, overlap with evaluation sets.

## Sample rows

{_samples(records)}
## Methods to cite

Self-Instruct: Wang et al. 2022, arXiv 2212.10560. Alpaca: Taori et al. 2023. ROUGE: Lin 2004.
"""


def _teachers(config: RunConfig) -> str:
    """A row for the teacher, or one for each with what it was asked for."""
    return "\n".join(
        f"| teacher | `{each.model}` ({each.kind})" + (f", for {', '.join(each.roles)} |" if config.teachers else " |")
        for each in config.all_teachers
    )


def _sizes(formats: Sequence[str], parts: Sequence[Part]) -> str:
    return "\n".join(
        f"| `{name}` | " + " | ".join(f"{part.rows:,}" for part in parts if part.format == name) + " |"
        for name in formats
    )


def _counts(status: Status) -> str:
    cost = "not known" if status.cost_usd is None else f"${status.cost_usd:,.4f}"
    ended = (
        ""
        if status.outcome.reason == "target"
        else f"\n| ended early | {status.outcome.reason}: {_plain(status.outcome.detail)} |"
    )
    return f"""| proposed, admitted, records | {status.proposed:,}, {status.admitted:,}, {status.records:,} |
| acceptance | {status.acceptance:.1%} of the proposed tasks |
| requests | {status.requests:,} ({status.failed_requests:,} without an answer) |
| tokens | {status.prompt_tokens:,} in prompts, {status.completion_tokens:,} generated |
| cost | {cost} |{ended}"""


def _refusals(status: Status) -> str:
    if not status.refused:
        return ""
    rows = "\n".join(f"| `{reason}` | {count:,} |" for reason, count in status.refused.items())
    return f"Refused, by reason (every one is in the run's journal):\n\n| reason | count |\n|---|---|\n{rows}\n"


def _licence(settings: DatasetConfig) -> str:
    stated = settings.license
    if stated is not None:
        return f"Stated by the maker of this dataset: `{stated}`."
    return (
        "None is stated. Terms of the teacher's provider and of the seed tasks may restrict what the dataset "
        "may be used for; read them before you publish or train."
    )


def _samples(records: Sequence[Record]) -> str:
    """Three rows as indented code, in which nothing of theirs can act as markup."""
    shown = []
    for record in records[:: max(1, len(records) // 3)][:3]:
        first = record.instances[0]
        row = {"instruction": record.instruction, "input": first.input, "output": first.output}
        text = json.dumps({k: v if len(v) <= 600 else v[:600] + " ..." for k, v in row.items()}, ensure_ascii=False)
        shown.append("    " + _escaped(text))
    return "\n".join(shown) + "\n"


def _plain(text: str) -> str:
    """A server's words in a cell of a table, where nothing of theirs can act as markup."""
    return _escaped(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;").replace("`", "'")


def _escaped(text: str) -> str:
    """Without line ends, control characters and the like; inside JSON it still reads as the same text."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
