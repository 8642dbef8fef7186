"""The card of a dataset folder: how it was made, and what `load_dataset` needs to know."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..core import version as _version
from ..core.tokens import TOKENIZER_VERSION
from .inputs import Input

_PROGRAM = "deduplicated by"
_STORY = """\
Rows of another dataset without near-duplicates: in order, a row is left out when its text is too similar, by ROUGE-L
F over tokens, to a row before it that stayed. Wording is compared, not meaning."""


def write_card(
    folder: Path,
    name: str,
    inputs: Sequence[Input],
    against: Sequence[Input],
    rule: str,
    counts: Mapping[str, int],
) -> None:
    """Write README.md into `folder`. rule: in words, what was refused."""
    rows = [
        ("inputs", names_of(given.name for given in inputs)),
        ("compared with, besides", names_of(given.name for given in against)),
        ("columns compared", names_of(column.path for column in inputs[0].columns)),
        ("refused", rule),
        *((label, f"{count:,}") for label, count in counts.items()),
    ]
    write_readme(folder, name, _STORY, rows)


def write_readme(folder: Path, name: str, story: str, rows: Iterable[tuple[str, str]], more: str = "") -> None:
    """Write README.md into `folder`: what `load_dataset` needs, the story, the rows that have a value, then `more`."""
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
Licence and contents are those of the inputs.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def is_ours(folder: Path) -> bool:
    """Whether the folder is empty or has a card of ours, so that it may be replaced."""
    card = folder / "README.md"
    return (
        _PROGRAM in card.read_text(encoding="utf-8", errors="replace") if card.is_file() else not any(folder.iterdir())
    )


def _digest(folder: Path) -> str:
    """Of the data: `datasets` takes a folder of the same name and card for the one that it has in its cache."""
    sha = hashlib.sha256()
    for path in sorted((folder / "data").iterdir()):
        with path.open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()[:16]


def names_of(names: Iterable[str]) -> str:
    """Names as code in a table's cell, commas between them."""
    return ", ".join("`" + name.replace("`", "'").replace("|", "\\|").replace("\n", " ") + "`" for name in names)
