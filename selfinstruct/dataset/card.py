"""Write a dataset's card: YAML for the hub and `load_dataset`, and a description in Markdown.

All figures come from the run's journal. Texts from models and servers are escaped, so that they can't act as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..config.run_config import DatasetConfig, RunConfig
from ..core import version as _version
from ..core.language_tags import primary
from ..core.paths import without_home
from ..core.records import Record
from ..journal.folder import Run
from ..journal.provenance import Trail, iso
from ..journal.snapshot import Snapshot
from ..journal.status import GenerationStatus
from . import card_figures as figures
from .card_words import CITATIONS, METHODS, RISKS, TERMS
from .formats import config_name
from .licensing import Licensing, UsedTeacher, licensing, used_teachers
from .linguistics import LANGUAGES_OF
from .provenance_columns import PROVENANCE_CONFIG
from .revisions import Revision

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
    """Write README.md into the dataset's folder.

    Args:
        folder: The dataset's folder.
        snapshot: The run.
        settings: Settings of the dataset.
        records: The records of the dataset, in order.
        parts: All splits of all formats.
        trail: Provenance of the records.
        revisions: Oldest first; the last is the one to write.
    """
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
    # The order of the keys is the order in the file.
    metadata: dict[str, Any] = {}
    if settings.license is not None:
        metadata["license"] = settings.license
    if run.config.language != "any":
        metadata["language"] = [primary(run.config.language)]
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
    default, written = parts[0].format, {part.format for part in parts}
    empty = [name for name in map(config_name, settings.format_options) if name not in written]
    sections = [
        _head(settings.title or run.name, len(records), default, parts, empty, revisions[-1].number),
        f"## Changelog\n\n{_changelog(revisions)}",
        f"## How it was made\n\n{_method(snapshot, records, trail)}",
        f"## Counts by stage\n\n{figures.counts(snapshot)}",
        f"## Distributions\n\n{figures.distributions(records, config.max_similarity)}",
        f"### Languages\n\n{_languages(config, records)}",
        f"### Verbs and nouns\n\n{figures.verbs(records)}",
        f"## Cost\n\n{figures.costs(status, trail.spent(records))}",
        f"## License\n\n{_license(licensing(snapshot, settings.license))}",
        f"## Limits and risks of the teacher\n\n{RISKS}",
        f"## Not checked\n\n{_not_checked(config)}",
        f"## How to reproduce it\n\n{_reproduce(run, trail)}",
        f"## Sample rows\n\n{_samples(records)}",
        f"## Citations\n\n{_citations(config)}",
    ]
    return "\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _not_checked(config: RunConfig) -> str:
    # List what the configured filters leave unchecked.
    filters = config.filters.model_dump()  # a model of the package `filters`, which this one doesn't import
    lines = ["whether outputs are true, complete, or follow their instruction"]
    lines += ["safety: harmful, offensive or dangerous content"]
    if filters["personal_data"] == "keep":
        lines += ["personal data"]
    lines += ["copyright in texts that the teacher repeats"]
    if not filters["decontaminate"]:
        lines += ["overlap with evaluation sets"]
    if not (filters["languages"] and filters["answer_languages"]):
        lines += ["the language of each text (the table above is an estimate)"]
    judge = "\n\nA judge model marked each instance, but its marks don't prove any of this." if config.judge else ""
    return "\n".join(f"- {line}" for line in lines) + "\n\nNo person has read all of the records." + judge


def _head(
    title: str, records: int, default: str, parts: Sequence[WrittenSplit], empty: Sequence[str], revision: int
) -> str:
    return f"""# {_escape_cell(title)}

{records:,} instruction records, written by a language model and not checked by people. Revision {revision}.

    from datasets import load_dataset
    rows = load_dataset("path/to/this/folder", "{default}", split="train")

{_sizes(parts, empty)}
Each row names the question and the demonstrations that it comes from. The config `{PROVENANCE_CONFIG}` has the time,
the server, and the share of the cost of each record."""


def _changelog(revisions: Sequence[Revision]) -> str:
    """Tabulate the revisions, newest first."""
    lines = ["| revision | last answer | records | added | removed | source |", "|---|---|---|---|---|---|"]
    for revision in reversed(revisions):
        sources = (f"generation {s.generation}, {_escape_cell(s.teacher)}: {s.records:,}" for s in revision.by)
        source = "; ".join(sources) or "same records, different rows"
        figures = f"{revision.records:,} | {revision.added:,} | {revision.removed:,}"
        lines.append(f"| {revision.number} | {_escape_cell(revision.at)} | {figures} | {source} |")
    return "\n".join(lines) + "\n"


def _sizes(parts: Sequence[WrittenSplit], empty: Sequence[str]) -> str:
    """Tabulate the number of rows by config and split, name the configs without rows, and state shares of rows."""
    splits = list(dict.fromkeys(part.split for part in parts))
    lines = [f"| config | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}"]
    for name in dict.fromkeys(part.format for part in parts):
        rows = {part.split: f"{part.rows:,}" for part in parts if part.format == name}
        lines.append(f"| `{name}` | {' | '.join(rows.get(split, '0') for split in splits)} |")
    notes = [f"The config `{name}` has no rows, because no record fits its options." for name in empty]
    notes += [
        f"In `{part.format}`, split `{part.split}`, {label} in {share:.0%} of the rows."
        for part in parts
        for label, share in part.shares.items()
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _method(snapshot: Snapshot, records: Sequence[Record], trail: Trail) -> str:
    run, status = snapshot.run, snapshot.status
    config, limit = run.config, "at or above" if run.config.refuse_equal else "above"
    rows = [
        *[("teacher", _teacher(used)) for used in used_teachers(snapshot)],
        ("seed tasks", f"{status.seed_tasks:,}"),
        ("prompt wording", ", ".join(sorted({record.origin.version for record in records}))),
        ("random seed", str(config.random_seed)),
        ("novelty", f"refused {limit} ROUGE-L F {config.max_similarity:g} to any seed or earlier task"),
        ("checks, in order", ", ".join(trail.checks)),
        *_answers(config),
        ("configuration", ", ".join(generation.digest[:16] for generation in run.generations)),
        *[(f"generation {each.number}", _generation(each)) for each in status.by_generation if status.generations > 1],
    ]
    if status.outcome.reason != "target":
        rows.append(("ended early", f"{status.outcome.reason}: {_escape_cell(status.outcome.detail)}"))
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    newest = "" if len(run.generations) == 1 else " of the newest generation (earlier ones had others)"
    return f"""{METHODS.get(config.strategy_kind, f"Strategy `{_escape_cell(config.strategy_kind)}`.")}
Program: selfinstruct {_version.__version__}, run {run.id}.

| | |
|---|---|
{table}
The full configuration{newest}:

{_indented_code(_full_config(config))}

Decoding parameters by purpose, without stop sequences:

{figures.sampling(snapshot)}"""


def _generation(each: GenerationStatus) -> str:
    seeds = f"; {each.new_seeds:,} {'new ' if each.number > 1 else ''}seeds" if each.new_seeds else ""
    strategy, teacher = _escape_cell(each.strategy), _escape_cell(each.teacher)
    return f"from question {each.first_question} on, `{strategy}` with `{teacher}`{seeds}; {each.records:,} records"


def _teacher(used: UsedTeacher) -> str:
    host = f" at {used.host}" if used.host else ""
    kind = "an object in the creator's code" if used.own else used.config.kind
    # A server may name another model than the one requested: 'gpt-4o' -> 'gpt-4o-2024-08-06'.
    alias = "" if used.model == used.config.model or used.own else f", answering as `{_escape_cell(used.model)}`"
    model = used.model if used.own else used.config.model
    return (
        f"`{_escape_cell(model)}` ({_escape_cell(kind)}){_escape_cell(host)}{alias}: "
        f"{used.answers:,} answers ({', '.join(used.purposes)}) from {iso(used.first_at)} to {iso(used.last_at)}"
    )


def _full_config(config: RunConfig) -> str:
    """Format the configuration with all defaults, and without the creator's home folder."""
    values = config.model_dump(mode="json", exclude={"teacher"} if config.teachers else None)
    return without_home(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100))


def _languages(config: RunConfig, records: Sequence[Record]) -> str:
    language = "any language" if config.language == "any" else f"`{config.language}`"
    sample = f" in a sample of {LANGUAGES_OF:,}" if len(records) > LANGUAGES_OF else ""
    return f"""Prompts and filters were for {language}. Records by language, as detected by `py3langid`{sample}:

{figures.detected_languages(records)}

Records by the script of most of their letters:

{figures.scripts(records)}"""


def _license(found: Licensing) -> str:
    stated = "The creator of this dataset states no license."
    if found.stated:
        stated = f"License stated by the creator of this dataset: `{_escape_cell(found.stated)}`."
    text = f"{stated} {TERMS}\n\n"
    # Several statements may have the same source; give its summary once.
    sources: set[str] = set()
    for statement in found.statements:
        detail = "" if not statement.detail or statement.source in sources else f" {_escape_cell(statement.detail)}"
        source = f" ({_escape_cell(statement.source)})" if statement.source else ""
        text += f"- **{statement.kind}** {_escape_cell(statement.text)}{detail}{source}\n"
        sources.add(statement.source)
    return text


def _reproduce(run: Run, trail: Trail) -> str:
    seeds = str(run.generations[-1].meaning.get("seeds", ""))
    programs = ", ".join(dict.fromkeys(start.program for start in trail.starts)) or _version.__version__
    return f"""In the run's folder, `selfinstruct export` writes the same rows again, byte for byte, without requests.
`selfinstruct explain` shows the history of any record or refused task. Without the folder, save the configuration above
to a file, use the same seeds (digest `{seeds}`), and run

    selfinstruct generate config.yaml

The first questions will be the same; a teacher that samples at random gives other answers. Versions of the program
used: {programs}. Config digest: `{run.generations[-1].digest}`."""


def _answers(config: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield how the answers were sampled, if there are several."""
    answers, judge = config.answers, config.judge
    if answers is not None and answers.samples > 1:
        by = (
            "checks" if judge is None else "checks and comparisons" if judge.compare else "checks and the judge's marks"
        )
        until = "until one passes" if answers.until == "pass" else "all asked"
        yield "answers", f"up to {answers.samples} to each prompt, {until}; the best is chosen by {by}"
    if answers is not None and answers.turns > 1:
        yield "dialogues", f"up to {answers.turns} user turns, written by a model"


def _citations(config: RunConfig) -> str:
    # Alpaca builds on Self-Instruct, so it cites both.
    names = [name for name in ("self_instruct", "alpaca") if config.strategy_kind in (name, "alpaca")]
    return "\n\n".join(_indented_code(CITATIONS[name]) for name in [*names, "rouge"])


def _samples(records: Sequence[Record]) -> str:
    """Show three rows as indented code."""
    lines = []
    # Three rows from the whole dataset, not the first three.
    for record in records[:: max(1, len(records) // 3)][:3]:
        first = record.examples[0]
        row = {"instruction": record.instruction, "input": first.given, "output": first.output}
        text = json.dumps({k: v if len(v) <= 600 else v[:600] + " ..." for k, v in row.items()}, ensure_ascii=False)
        lines.append("    " + _escape(text))
    return "\n".join(lines) + "\n"


def _indented_code(text: str) -> str:
    """Format a text as indented code, in which nothing acts as markup."""
    return "\n".join(f"    {_escape(line)}" if line else "" for line in text.split("\n")).rstrip()


def _escape_cell(text: str) -> str:
    """Escape a text for a cell of a table, where nothing in it can act as markup."""
    return _escape(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;").replace("`", "'")


def _escape(text: str) -> str:
    """Escape line breaks and unprintable characters like JSON does, so that JSON still decodes to the same text."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
