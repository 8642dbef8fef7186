"""The dataset's card: YAML that the hub and `load_dataset` read, and a text that says only what is known.

Every figure comes from the run's journal. What a model or a server wrote is shown so that it can't act as markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..config.run_config import DatasetConfig, RunConfig
from ..core import version as _version
from ..core.tasks import Record
from ..journal.folder import Run
from ..journal.provenance import Trail, iso
from ..journal.snapshot import Snapshot
from ..journal.status import GenerationStatus
from . import card_figures as figures
from .card_words import CITATIONS, METHODS, RISKS, TERMS
from .licensing import Licensing, UsedTeacher, licensing, used_teachers
from .linguistics import LANGUAGES_OF
from .provenance_columns import PROVENANCE_CONFIG
from .revisions import Revision

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, slots=True)
class Part:
    """One split of one format, as it was written: its rows, bytes in memory and on disk, the files' SHA-256 as one.

    content: SHA-256 of the rows, whatever the files look like.
    """

    format: str
    split: str
    rows: int
    bytes: int
    file_bytes: int
    sha256: str
    content: str
    features: Any


def write_card(
    folder: Path,
    snapshot: Snapshot,
    settings: DatasetConfig,
    records: Sequence[Record],
    parts: Sequence[Part],
    trail: Trail,
    revisions: Sequence[Revision],
) -> None:
    """Write README.md into the dataset's folder. revisions: oldest first, the last is the one that is written."""
    head = yaml.safe_dump(
        _metadata(snapshot.run, settings, records, parts), sort_keys=False, allow_unicode=True, width=100
    )
    history = {"revision": revisions[-1].number, "revisions": [revision.metadata for revision in revisions]}
    head += yaml.safe_dump(history, sort_keys=False, width=100)  # teachers name themselves: nothing but ASCII here
    text = _text(snapshot, settings, records, parts, trail, revisions)
    (folder / "README.md").write_text(f"---\n{head}---\n\n{text}", encoding="utf-8")


def _metadata(run: Run, settings: DatasetConfig, records: Sequence[Record], parts: Sequence[Part]) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    if settings.license is not None:
        metadata["license"] = settings.license
    if run.config.language != "any":
        metadata["language"] = [run.config.language]
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


def _config(name: str, parts: Sequence[Part], default: bool) -> dict[str, Any]:
    """A config as `load_dataset` reads it.

    Its description names the content: of a local folder, the library's cache knows this text and not the files, and
    would take rows of an earlier revision, or of another run, for those that lie there.
    """
    own = [part for part in parts if part.format == name]
    files = [{"split": part.split, "path": f"{name}/{part.split}-*.parquet"} for part in own]
    content = ", ".join(f"{part.split} {part.sha256[:16]}" for part in own)
    first = {"config_name": name, "description": f"SHA-256 of the rows: {content}"}
    return {**first, **({"default": True} if default else {}), "data_files": files}


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


def _text(
    snapshot: Snapshot,
    settings: DatasetConfig,
    records: Sequence[Record],
    parts: Sequence[Part],
    trail: Trail,
    revisions: Sequence[Revision],
) -> str:
    run, status = snapshot.run, snapshot.status
    config = run.config
    default = parts[0].format
    sections = [
        _head(settings.title or run.name, len(records), default, parts, revisions[-1].number),
        f"## Changelog\n\n{_changelog(revisions)}",
        f"## How it was made\n\n{_made(snapshot, records, trail)}",
        f"## Counts at every stage\n\n{figures.counts(snapshot)}",
        f"## Distributions\n\n{figures.distributions(records, config.max_similarity)}",
        f"### Languages\n\n{_languages(config, records)}",
        f"### Verbs and nouns\n\n{figures.verbs(records)}",
        f"## Cost\n\n{figures.costs(status, trail.spent(records))}",
        f"## Licence\n\n{_licence(licensing(snapshot, settings.license))}",
        f"## Limits and risks of the teacher\n\n{RISKS}",
        f"## Not checked\n\n{_not_checked(config)}",
        f"## How to reproduce it\n\n{_reproduce(run, trail)}",
        f"## Sample rows\n\n{_samples(records)}",
        f"## Methods to cite\n\n{_citations(config)}",
    ]
    return "\n\n".join(section.rstrip("\n") for section in sections) + "\n"


def _not_checked(config: RunConfig) -> str:
    filters = config.filters.model_dump()  # a model of the package `filters`, which this one doesn't import
    lines = ["whether outputs are true, complete, or follow their instruction"]
    lines += ["safety: harmful, offensive or dangerous content"]
    if filters["personal_data"] == "keep":
        lines += ["personal data"]
    lines += ["rights of others in what the teacher repeats"]
    if not filters["decontaminate"]:
        lines += ["overlap with evaluation sets"]
    if not (filters["languages"] and filters["answer_languages"]):
        lines += ["the language of each text (only guessed, above)"]
    lines += ["by people: nobody has read all of it"]
    judge = "\n\nA model has marked each worked task; its marks are no proof of any of this." if config.judge else ""
    return "\n".join(f"- {line}" for line in lines) + judge


def _head(title: str, records: int, default: str, parts: Sequence[Part], revision: int) -> str:
    return f"""# {_plain(title)}

{records:,} instruction records, written by a language model and not checked by people. Revision {revision}.

    from datasets import load_dataset
    rows = load_dataset("path/to/this/folder", "{default}", split="train")

{_sizes(parts)}
Each row says which question and which demonstrations it came from; `{PROVENANCE_CONFIG}` says when and where each
record was asked for, and its share of the cost."""


def _changelog(revisions: Sequence[Revision]) -> str:
    """A line a revision, the newest first."""
    lines = ["| revision | asked until | records | added | removed | by |", "|---|---|---|---|---|---|"]
    for revision in reversed(revisions):
        made = (f"generation {m.generation}, {_plain(m.teacher)}: {m.records:,}" for m in revision.by)
        by = "; ".join(made) or "the same records in other rows"
        figures = f"{revision.records:,} | {revision.added:,} | {revision.removed:,}"
        lines.append(f"| {revision.number} | {_plain(revision.at)} | {figures} | {by} |")
    return "\n".join(lines) + "\n"


def _sizes(parts: Sequence[Part]) -> str:
    splits = list(dict.fromkeys(part.split for part in parts))
    lines = [f"| config | {' | '.join(splits)} |", f"|---|{'---|' * len(splits)}"]
    for name in dict.fromkeys(part.format for part in parts):
        rows = {part.split: f"{part.rows:,}" for part in parts if part.format == name}
        lines.append(f"| `{name}` | {' | '.join(rows.get(split, '0') for split in splits)} |")
    return "\n".join(lines) + "\n"


def _made(snapshot: Snapshot, records: Sequence[Record], trail: Trail) -> str:
    run, status = snapshot.run, snapshot.status
    config, limit = run.config, "from" if run.config.refuse_equal else "above"
    rows = [
        *[("teacher", _teacher(used)) for used in used_teachers(snapshot)],
        ("seed tasks", f"{status.seed_tasks:,}"),
        ("prompt wording", ", ".join(sorted({record.prompt_version for record in records}))),
        ("random seed", str(config.random_seed)),
        ("novelty", f"refused {limit} ROUGE-L F {config.max_similarity:g} to seeds and pool"),
        ("checks, in order", ", ".join(trail.checks)),
        ("configuration", ", ".join(generation.digest[:16] for generation in run.generations)),
        *[(f"generation {each.number}", _generation(each)) for each in status.by_generation if status.generations > 1],
    ]
    if status.outcome.reason != "target":
        rows.append(("ended early", f"{status.outcome.reason}: {_plain(status.outcome.detail)}"))
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    older = "" if len(run.generations) == 1 else " of the newest generation; what came before was asked under another"
    return f"""{METHODS.get(config.strategy_kind, f"Strategy `{_plain(config.strategy_kind)}`.")}
Program: selfinstruct {_version.__version__}, run {run.id}.

| | |
|---|---|
{table}
The configuration in full{older}:

{_indented(_full(config))}

What was sent, by purpose (stops apart):

{figures.sampling(snapshot)}"""


def _generation(each: GenerationStatus) -> str:
    seeds = f"; {each.new_seeds:,} {'new ' if each.number > 1 else ''}seeds" if each.new_seeds else ""
    asked = f"from question {each.first_question} on, `{_plain(each.strategy)}` with `{_plain(each.teacher)}`"
    return f"{asked}{seeds}; {each.records:,} records"


def _teacher(used: UsedTeacher) -> str:
    where = f" at {used.host}" if used.host else ""
    kind = "an object in the maker's code" if used.own else used.config.kind
    as_named = "" if used.model == used.config.model or used.own else f", answering as `{_plain(used.model)}`"
    return (
        f"`{_plain(used.model if used.own else used.config.model)}` ({_plain(kind)}){_plain(where)}{as_named}: "
        f"{used.answers:,} answers ({', '.join(used.purposes)}), asked {iso(used.first_at)} to {iso(used.last_at)}"
    )


def _full(config: RunConfig) -> str:
    """The configuration with every default, without the home folder of who made it.

    A sampling key that isn't set is the published one, not null: those stay unset.
    """
    values = config.model_dump(mode="json", exclude={"teacher"} if config.teachers else None)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    return text.replace(str(Path.home()) + "/", "~/")


def _languages(config: RunConfig, records: Sequence[Record]) -> str:
    asked = "no particular language" if config.language == "any" else f"`{config.language}`"
    drawn = f", of {LANGUAGES_OF:,} drawn" if len(records) > LANGUAGES_OF else ""
    return f"""Prompts and filters were for {asked}. Records by language, as `py3langid` guesses it{drawn}:

{figures.guessed_languages(records)}

By the script that most of their letters are of:

{figures.scripts(records)}"""


def _licence(found: Licensing) -> str:
    maker = f"Stated by the maker of this dataset: `{_plain(found.stated)}`." if found.stated else "None is stated."
    text = f"{maker} {TERMS}\n\n"
    shown: set[str] = set()
    for statement in found.statements:
        detail = "" if not statement.detail or statement.source in shown else f" {_plain(statement.detail)}"
        source = f" ({_plain(statement.source)})" if statement.source else ""
        text += f"- **{statement.kind}** {_plain(statement.text)}{detail}{source}\n"
        shown.add(statement.source)
    return text


def _reproduce(run: Run, trail: Trail) -> str:
    seeds = str(run.generations[-1].meaning.get("seeds", ""))
    programs = ", ".join(dict.fromkeys(start.program for start in trail.starts)) or _version.__version__
    return f"""With the run's folder, `selfinstruct export` writes the same rows again, byte for byte, and asks nothing;
`selfinstruct explain` tells the story of any record and of any refused task. Without it, put the configuration above
into a file, take the same seeds (digest `{seeds}`), and

    selfinstruct generate config.yaml

asks the same first questions. A teacher that draws at random answers otherwise. Versions of the program that worked on
it: {programs}. Config digest: `{run.generations[-1].digest}`."""


def _citations(config: RunConfig) -> str:
    names = [name for name in ("self_instruct", "alpaca") if config.strategy_kind in (name, "alpaca")]
    return "\n\n".join(_indented(CITATIONS[name]) for name in [*names, "rouge"])


def _samples(records: Sequence[Record]) -> str:
    """Three rows as indented code, in which nothing of theirs can act as markup."""
    shown = []
    for record in records[:: max(1, len(records) // 3)][:3]:
        first = record.instances[0]
        row = {"instruction": record.instruction, "input": first.input, "output": first.output}
        text = json.dumps({k: v if len(v) <= 600 else v[:600] + " ..." for k, v in row.items()}, ensure_ascii=False)
        shown.append("    " + _escaped(text))
    return "\n".join(shown) + "\n"


def _indented(text: str) -> str:
    """As indented code, in which nothing acts as markup."""
    return "\n".join(f"    {_escaped(line)}" if line else "" for line in text.split("\n")).rstrip()


def _plain(text: str) -> str:
    """A server's words in a cell of a table, where nothing of theirs can act as markup."""
    return _escaped(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;").replace("`", "'")


def _escaped(text: str) -> str:
    """Without line ends, control characters and the like; inside JSON it still reads as the same text."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
