"""Find the configs, splits and files of a dataset, from its card or its folders. `open_dataset` uses this module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.bounded_yaml import MAX_CHARS, BoundedLoader
from ..core.errors import UsageError
from ..core.suggest import closest
from ..tables import Row, TableSource, find_source, read_chunks

_SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
# The name of a split in a path: 'data/test-00000.parquet' is of split 'test', 'latest.jsonl' of none.
_SPLIT = re.compile(r"(?:^|[^a-z])(train|test|validation|valid|dev|eval)(?:[^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a config, and its files."""

    name: str
    sources: tuple[TableSource, ...]

    def rows(self, columns: set[str] | None = None) -> Iterator[Row]:
        """Yield the rows in order, in chunks; Parquet yields only `columns`, if it has all of them."""
        for source in self.sources:
            for chunk in read_chunks(source, columns):
                yield from chunk.rows()


@dataclass(frozen=True, slots=True)
class Config:
    """A config (subset) of a dataset; `name` is None if the dataset has no configs."""

    name: str | None
    splits: tuple[Split, ...]


def configs_of(dataset: str) -> list[Config]:
    """Return the configs of a dataset, the default first. Raises UsageError if its card or files can't be read."""
    if dataset == "-":
        raise UsageError("standard input can be read only once, but validation reads twice; name a file or folder")
    source = find_source(dataset)
    path = Path(dataset)
    if (path / "journal.sqlite").exists():
        raise UsageError(f"{dataset}: is a run's folder; name the dataset in it, {path / 'dataset'}")
    if source.kind != "folder" or (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
        return [Config(None, (Split(_split_of(path.name), (source,)),))]
    named = _configs_of_card(path)
    if named:
        return named
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise UsageError(f"{dataset}: holds no data files ({', '.join(_SUFFIXES)}); name the dataset's folder or file")
    return [Config(None, _splits(path, [(_split_of(str(file.relative_to(path))), file) for file in files]))]


def as_lines(config: Config) -> Config:
    """Replace the Parquet files of each split with the JSON Lines file next to them, if there is one."""

    def lines(split: Split) -> Split:
        file = Path(split.sources[0].path).parent / f"{split.name}.jsonl"
        if not file.is_file():
            return split
        return Split(split.name, (TableSource(f"{file.parent.name}/{file.name}", str(file), "file"),))

    return Config(config.name, tuple(lines(split) for split in config.splits))


def pick(configs: list[Config], wanted: str | None, dataset: str) -> Config:
    """Return the config called `wanted`, or the default, the first one. Raises UsageError with the known names."""
    if wanted is None:
        return configs[0]
    names = [config.name for config in configs if config.name is not None]
    if wanted in names:
        return configs[[config.name for config in configs].index(wanted)]
    guess = closest(wanted, names)
    hint = f"did you mean {guess!r}?" if guess else f"it has {', '.join(names) or 'no configs'}"
    raise UsageError(f"{dataset}: no config {wanted!r}; {hint}")


def _configs_of_card(folder: Path) -> list[Config]:
    """Return the configs named in the card (README.md), the default first."""
    import yaml

    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    # The card begins with YAML between two lines of '---'.
    head = re.match(r"---\r?\n(.*?)\r?\n---\s*(?:\n|$)", text, re.DOTALL)
    try:
        values = yaml.load(head[1][:MAX_CHARS], BoundedLoader) if head else None  # noqa: S506 (a safe loader)
        entries = values.get("configs") or [] if isinstance(values, dict) else []
        entries = sorted((e for e in entries if "data_files" in e), key=lambda entry: not entry.get("default"))
        return [_config(folder, entry) for entry in entries]
    except (yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError, NotImplementedError) as error:
        raise UsageError(f"{card}: its configs can't be read: {' '.join(str(error).split())[:200]}") from None


def _config(folder: Path, entry: dict[str, Any]) -> Config:
    """Parse a config in the card; `data_files` is a pattern, a list of patterns, or a list of splits with patterns.

    For example {"config_name": "alpaca", "data_files": [{"split": "train", "path": "alpaca/train-*.parquet"}]}.
    """
    given = entry["data_files"]
    items = given if isinstance(given, list) else [given]
    files: list[tuple[str, Path]] = []
    for item in items:
        split, patterns = (item["split"], item["path"]) if isinstance(item, dict) else ("train", item)
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            matched = sorted(folder.glob(pattern))
            if not matched:
                raise UsageError(
                    f"{folder}: the card names {pattern}, but there is no such file; write the dataset again"
                )
            files += [(split, file) for file in matched]
    return Config(entry["config_name"], _splits(folder, files))


def _splits(folder: Path, files: list[tuple[str, Path]]) -> tuple[Split, ...]:
    splits = sorted({split for split, _ in files}, key=lambda split: (split != "train", split))
    return tuple(
        Split(split, tuple(TableSource(str(f.relative_to(folder)), str(f), "file") for s, f in files if s == split))
        for split in splits
    )


def _split_of(name: str) -> str:
    found = _SPLIT.search(name)
    return found[1].lower() if found else "train"
