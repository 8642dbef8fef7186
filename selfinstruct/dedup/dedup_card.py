"""The card (README.md) of a deduplicated dataset folder: how it was made, and the metadata for `load_dataset`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..core import version as _version
from ..core.tokens import TOKENIZER_VERSION
from .inputs import Input

# Marks a card as ours: only folders with such a card are overwritten.
_PROGRAM = "deduplicated by"
_STORY = """\
Rows of another dataset without near-duplicates. Rows are taken in order, and a row is left out if its text is too
similar, by ROUGE-L F over tokens, to an earlier row that was kept. Wording is compared, not meaning."""


def write_card(
    folder: Path, name: str, inputs: Sequence[Input], against: Sequence[Input], rule: str, counts: Mapping[str, int]
) -> None:
    """Write README.md into `folder`; `rule` says what was refused, `counts` are numbers of rows by label."""
    rows = [
        ("inputs", names_of(given.name for given in inputs)),
        ("also compared with", names_of(given.name for given in against)),
        ("columns compared", names_of(column.path for column in inputs[0].columns)),
        ("refused", rule),
        *((label, f"{count:,}") for label, count in counts.items()),
    ]
    write_readme(folder, name, _STORY, rows)


def write_readme(folder: Path, name: str, story: str, rows: Iterable[tuple[str, str]], more: str = "") -> None:
    """Write README.md: metadata for `load_dataset`, the story, a table of the rows that have a value, then `more`."""
    program = (_PROGRAM, f"selfinstruct {_version.__version__}, tokens of version {TOKENIZER_VERSION}")
    table = "\n".join(f"| {label} | {value} |" for label, value in [*rows, program] if value)
    text = f"""---
configs:
- config_name: default
  description: content {_digest(folder)}
  data_files:
  - split: train
    path: data/train-*.parquet
---

# {name}

{story}

    from datasets import load_dataset
    rows = load_dataset("path/to/this/folder", split="train")

| | |
|---|---|
{table}
{more}
License and contents are those of the inputs.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def is_ours(folder: Path) -> bool:
    """Return whether `folder` may be replaced: it is empty, or has a card that this module wrote."""
    card = folder / "README.md"
    return (
        _PROGRAM in card.read_text(encoding="utf-8", errors="replace") if card.is_file() else not any(folder.iterdir())
    )


def _digest(folder: Path) -> str:
    """Digest the data files for the card: `datasets` uses its cache for a folder with the same name and card."""
    sha = hashlib.sha256()
    for path in sorted((folder / "data").iterdir()):
        with path.open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()[:16]


def names_of(names: Iterable[str]) -> str:
    """Format names as code in a table cell, separated by commas."""
    return ", ".join("`" + name.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`" for name in names)
