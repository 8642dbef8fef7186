"""Write a dataset's card: YAML for the hub and `load_dataset`, and a description in Markdown.

All figures come from the run's journal. Texts from models and servers are escaped, so that they can't act as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..config.run_config import DatasetConfig, RunConfig
from ..core.language_tags import primary
from ..core.records import Record
from ..journal.folder import Run
from ..journal.provenance import Trail
from ..journal.snapshot import Snapshot
from . import card_figures as figures
from .card_method import method, reproduce
from .card_words import WORDS, escape, escape_cell, indented_code
from .formats import FORMATS, config_name
from .licensing import Licensing, licensing
from .linguistics import LANGUAGES_OF
from .provenance_columns import PROVENANCE_CONFIG
from .revisions import Revision
from .reward_formats import REWARD_FORMATS
from .rows import Wording, select_examples

# The hub's size categories: upper limit and name.
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, slots=True)
class WrittenSplit:
    """One split of one format, as written to disk.

    Attributes:
        bytes: Size in memory.
        file_bytes: Size of all files.
        sha256: Hash of all files together.
        content: SHA-256 of the rows, independent of the file format.
        features: The `datasets.Features` of the rows.
        shares: The shares of the rows, 0 to 1, for which a statement is true.
    """

    format: str
    split: str
    rows: int
    bytes: int
    file_bytes: int
    sha256: str
    content: str
    features: Any
    shares: Mapping[str, float] = field(default_factory=dict)


def write_card(
    folder: Path,
    snapshot: Snapshot,
    settings: DatasetConfig,
    records: Sequence[Record],
    parts: Sequence[WrittenSplit],
    trail: Trail,
    revisions: Sequence[Revision],
) -> None:
    """Write README.md into the dataset's folder. revisions: oldest first; the last is the one to write."""
    metadata = _metadata(snapshot.run, settings, records, parts)
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=100)
    history = {"revision": revisions[-1].number, "revisions": [revision.metadata for revision in revisions]}
    # Names of teachers come from servers, so escape everything outside ASCII.
    head += yaml.safe_dump(history, sort_keys=False, width=100)
    text = _text(snapshot, settings, records, parts, trail, revisions)
    (folder / "README.md").write_text(f"---\n{head}---\n\n{text}", encoding="utf-8")


def _metadata(
    run: Run, settings: DatasetConfig, records: Sequence[Record], parts: Sequence[WrittenSplit]
) -> dict[str, Any]:
    # The order of the keys is the order in the file.
    metadata: dict[str, Any] = {}
    if settings.license is not None:
        metadata["license"] = settings.license
    if run.config.language != "any":
        metadata["language"] = list(dict.fromkeys(map(primary, [run.config.language, *run.config.answer_languages])))
    names = list(dict.fromkeys(part.format for part in parts))
    metadata |= {
        "pretty_name": settings.title or run.name,
        "size_categories": [next((name for most, name in _SIZES if len(records) < most), "1M<n<10M")],
        "task_categories": ["text-generation"],
        "annotations_creators": ["machine-generated"],
        "tags": ["synthetic", "instruction-tuning", "self-instruct"],
        "configs": [_config(name, parts, name == names[0]) for name in names],
        "dataset_info": [_info(name, parts) for name in names],
    }
    return metadata


def _config(name: str, parts: Sequence[WrittenSplit], default: bool) -> dict[str, Any]:
    """Return a config as `load_dataset` reads it."""
    own = [part for part in parts if part.format == name]
    files = [{"split": part.split, "path": f"{name}/{part.split}-*.parquet"} for part in own]
    # For a local folder, the cache of `datasets` depends on this description, not on the files. Without the hashes, the
    # library would return cached rows of an earlier revision, or of another run in the same place.
    content = ", ".join(f"{part.split} {part.sha256[:16]}" for part in own)
    first = {"config_name": name, "description": f"SHA-256 of the rows: {content}"}
    return {**first, **({"default": True} if default else {}), "data_files": files}


def _info(name: str, parts: Sequence[WrittenSplit]) -> dict[str, Any]:
    own = [part for part in parts if part.format == name]
    splits = [{"name": p.split, "num_bytes": p.bytes, "num_examples": p.rows} for p in own]
    return {
        "config_name": name,
        "features": own[0].features._to_yaml_list(),
        "splits": splits,
        "download_size": sum(part.file_bytes for part in own),
        "dataset_size": sum(part.bytes for part in own),
    }


def _text(
    snapshot: Snapshot,
    settings: DatasetConfig,
    records: Sequence[Record],
    parts: Sequence[WrittenSplit],
    trail: Trail,
    revisions: Sequence[Revision],
) -> str:
    run, status = snapshot.run, snapshot.status
    config = run.config
    default, sizes = parts[0].format, _sizes(parts, _notes(settings, records, parts))
    sections = [
        _head(settings.title or run.name, records, default, sizes, revisions[-1].number),
        f"## Changelog\n\n{_changelog(revisions)}",
        f"## How it was made\n\n{method(snapshot, records, trail, settings.select)}",
        f"## Counts by stage\n\n{figures.counts(snapshot)}",
        *([f"## Checked by programs\n\n{_checked(config, found)}"] if (found := figures.verified(snapshot)) else []),
        *([f"## Reviewed by people\n\n{reviews}"] if (reviews := figures.reviews(snapshot)) else []),
        f"## Distributions\n\n{figures.distributions(records, config.max_similarity)}",
        f"### Languages\n\n{_languages(config, records)}",
        *([f"### Coverage\n\n{figures.coverage(snapshot)}"] if snapshot.coverage else []),
        f"### Verbs and nouns\n\n{figures.verbs(records, config.language)}",
        f"## Cost\n\n{figures.costs(status, trail.spent(records))}",
        f"## License\n\n{_license(licensing(snapshot, settings.license))}",
        f"## Limits and risks of the teacher\n\n{WORDS['risks']}",
        f"## Not checked\n\n{_not_checked(config, bool(found), all(each.reviewed for each in records))}",
        f"## How to reproduce it\n\n{reproduce(run, trail)}",
        f"## Sample rows\n\n{_samples(records)}",
        f"## Citations\n\n{_citations(config)}",
    ]
    return "\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _not_checked(config: RunConfig, verified: bool, reviewed: bool) -> str:
    # List what the configured filters leave unchecked.
    filters = config.filters.model_dump()  # a model of the package `filters`, which this one doesn't import
    beyond = ", beyond what programs checked" if verified else ""
    lines = [f"whether outputs are true, complete, or follow their instruction{beyond}"]
    lines += ["safety: harmful, offensive or dangerous content"]
    if filters["personal_data"] == "keep":
        lines += ["personal data"]
    lines += ["copyright in texts that the teacher repeats"]
    if not filters["decontaminate"]:
        lines += ["overlap with evaluation sets"]
    if not (filters["languages"] and filters["answer_languages"]):
        lines += ["the language of each text (the table above is an estimate)"]
    judge = "\n\nA judge model marked each instance, but its marks don't prove any of this." if config.judge else ""
    read = "" if reviewed else "\n\nNo person has read all of the records."
    return "\n".join(f"- {line}" for line in lines) + read + judge


def _checked(config: RunConfig, found: Sequence[figures.Verified]) -> str:
    texts = WORDS["verified"] | {f"{name} by agreement": text for name, text in WORDS["agreed"].items()}
    shown = "".join(f"- `{each.verifier}`: {texts[each.verifier]}\n" for each in found if each.verifier in texts)
    keeps = config.filters.model_dump()["wrong_answer"] == "label"
    wrong = "Rows with wrong answers have `verified: false`." if keeps else "Tasks without a right answer are left out."
    agreed = any(" by " in each.verifier for each in found)
    by = " `by agreement`: with what most of the teacher's own answers say." if agreed else ""
    return f"""Programs compared answers with what they know about the tasks.{by}

{figures.verification(found)}
{wrong} What a right answer shows:

{shown}
It doesn't show that a task is worth learning, that an explanation is sound, or that the rest of an answer is true."""


def _head(title: str, records: Sequence[Record], default: str, sizes: str, revision: int) -> str:
    reviewed = sum(each.reviewed is not None for each in records)
    by_people = f"; people reviewed {reviewed:,} of them" if reviewed else " and not checked by people"
    return f"""# {escape_cell(title)}

{len(records):,} instruction records, written by a language model{by_people}. Revision {revision}.

    from datasets import load_dataset
    rows = load_dataset("path/to/this/folder", "{default}", split="train")

{sizes}
Each row names the question and the demonstrations that it comes from. The config `{PROVENANCE_CONFIG}` has the time,
the server, and the share of the cost of each record."""


def _changelog(revisions: Sequence[Revision]) -> str:
    lines = ["| revision | last answer | records | added | removed | source |", "|---|---|---|---|---|---|"]
    for revision in reversed(revisions):
        sources = (f"generation {s.generation}, {escape_cell(s.teacher)}: {s.records:,}" for s in revision.by)
        source = "; ".join(sources) or ("fewer records" if revision.removed else "same records, different rows")
        figures = f"{revision.records:,} | {revision.added:,} | {revision.removed:,}"
        lines.append(f"| {revision.number} | {escape_cell(revision.at)} | {figures} | {source} |")
    return "\n".join(lines) + "\n"


def _sizes(parts: Sequence[WrittenSplit], notes: Iterable[str]) -> str:
    """Tabulate the number of rows by config and split, and add notes about them."""
    splits = list(dict.fromkeys(part.split for part in parts))
    lines = [f"| config | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}"]
    for name in dict.fromkeys(part.format for part in parts):
        rows = {part.split: f"{part.rows:,}" for part in parts if part.format == name}
        lines.append(f"| `{name}` | {' | '.join(rows.get(split, '0') for split in splits)} |")
    lines += ["", *said] if (said := list(notes)) else []
    return "\n".join(lines) + "\n"


def _notes(settings: DatasetConfig, records: Sequence[Record], parts: Sequence[WrittenSplit]) -> Iterator[str]:
    """Yield the configs without rows, what the others leave out, and shares of rows."""
    written = {part.format for part in parts}
    for kind in settings.format_options:
        if config_name(kind) not in written:
            needs = FORMATS[kind].needs if kind in FORMATS else "fits its options"
            yield f"The config `{config_name(kind)}` has no rows, because no record {needs}."
    examples = [each.example for each in select_examples(records, Wording(all_examples=settings.instances == "all"))]
    unchecked = sum(example.ground_truth is None for example in examples)
    for name in [name for name in REWARD_FORMATS if name in written and unchecked]:
        yield f"`{name}` leaves out {unchecked:,} of {len(examples):,} tasks, whose answers no program checks."
    for part in parts:
        for label, share in part.shares.items():
            yield f"In `{part.format}`, split `{part.split}`, {label} in {share:.0%} of the rows."


def _languages(config: RunConfig, records: Sequence[Record]) -> str:
    language = "any language" if config.language == "any" else f"`{config.language}`"
    sample = f" in a sample of {LANGUAGES_OF:,}" if len(records) > LANGUAGES_OF else ""
    answers = " or ".join(f"`{each}`" for each in config.answer_languages)
    asked = f"{language}; answers were requested in {answers}" if answers else language
    return f"""Prompts and filters were for {asked}. Records by language, as detected by `py3langid`{sample}:

{figures.detected_languages(records)}

Records by the script of most of their letters:

{figures.scripts(records)}"""


def _license(found: Licensing) -> str:
    stated = "The creator of this dataset states no license."
    if found.stated:
        stated = f"License stated by the creator of this dataset: `{escape_cell(found.stated)}`."
    text = f"{stated} {WORDS['terms']}\n\n"
    # Several statements may have the same source; give its summary once.
    sources: set[str] = set()
    for statement in found.statements:
        detail = "" if not statement.detail or statement.source in sources else f" {escape_cell(statement.detail)}"
        source = f" ({escape_cell(statement.source)})" if statement.source else ""
        text += f"- **{statement.kind}** {escape_cell(statement.text)}{detail}{source}\n"
        sources.add(statement.source)
    return text


def _citations(config: RunConfig) -> str:
    # Alpaca builds on Self-Instruct, so it cites both.
    names = [name for name in ("self_instruct", "alpaca") if config.strategy_kind in (name, "alpaca")]
    return "\n\n".join(indented_code(WORDS["citations"][name]) for name in [*names, "rouge"])


def _samples(records: Sequence[Record]) -> str:
    lines = []
    # Three rows from the whole dataset, not the first three.
    for record in records[:: max(1, len(records) // 3)][:3]:
        first = record.examples[0]
        row = {"instruction": record.instruction, "input": first.given, "output": first.output}
        text = json.dumps({k: v if len(v) <= 600 else v[:600] + " ..." for k, v in row.items()}, ensure_ascii=False)
        lines.append("    " + escape(text))
    return "\n".join(lines) + "\n"
