"""What a dataset consists of: configs, and of each the splits and their files, as its card or its folders tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.suggest import closest
from ..tables import Row, Source, find_source, read_chunks

_SUFFIXES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_SPLIT = re.compile(r"(?:^|[^a-z])(train|test|validation|valid|dev|eval)(?:[^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """One split of a config, and where its rows stand."""

    split: str
    sources: tuple[Source, ...]

    def rows(self, columns: set[str] | None = None) -> Iterator[Row]:
        """The rows in order, some megabytes at a time; of Parquet only `columns` when all of them are there."""
        for source in self.sources:
            for chunk in read_chunks(source, columns):
                yield from chunk.rows()


@dataclass(frozen=True, slots=True)
class Config:
    """A subset of a dataset; `name` is None where the dataset has no configs."""

    name: str | None
    parts: tuple[Part, ...]


def configs_of(dataset: str) -> list[Config]:
    """The configs of a dataset, the default one first.

    Raises UsageError: nothing there, a card that can't be read, or no data files where it says they are.
    """
    if dataset == "-":
        raise UsageError("standard input can be read once, a validation reads twice; name a file or folder")
    source = find_source(dataset)
    path = Path(dataset)
    if (path / "journal.sqlite").exists():
        raise UsageError(f"{dataset}: is a run's folder; name the dataset in it, {path / 'dataset'}")
    if source.kind != "folder" or (path / "dataset_info.json").exists() or (path / "dataset_dict.json").exists():
        return [Config(None, (Part(_split_of(path.name), (source,)),))]
    named = _of_card(path)
    if named:
        return named
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise UsageError(f"{dataset}: holds no data files ({', '.join(_SUFFIXES)}); name the dataset's folder or file")
    return [Config(None, _parts(path, [(_split_of(str(file.relative_to(path))), file) for file in files]))]


def as_lines(config: Config) -> Config:
    """The config with the JSON Lines file of a split in place of its Parquet files, where one stands beside them."""

    def lines(part: Part) -> Part:
        file = Path(part.sources[0].path).parent / f"{part.split}.jsonl"
        return (
            Part(part.split, (Source(f"{file.parent.name}/{file.name}", str(file), "file"),))
            if file.is_file()
            else part
        )

    return Config(config.name, tuple(lines(part) for part in config.parts))


def pick(configs: list[Config], wanted: str | None, dataset: str) -> Config:
    """The config called `wanted`, or the default. Raises UsageError with the names that there are."""
    if wanted is None:
        return configs[0]
    names = [config.name for config in configs if config.name is not None]
    if wanted in names:
        return configs[[config.name for config in configs].index(wanted)]
    guess = closest(wanted, names)
    hint = f"did you mean {guess!r}?" if guess else f"it has {', '.join(names) or 'no configs'}"
    raise UsageError(f"{dataset}: no config {wanted!r}; {hint}")


def _of_card(folder: Path) -> list[Config]:
    """The configs that the card (README.md) names, the default first; none where it names none."""
    import yaml

    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    head = re.match(r"---\r?\n(.*?)\r?\n---\s*(?:\n|$)", text, re.DOTALL)
    try:
        values = yaml.safe_load(head[1]) if head else None
        entries = values.get("configs") or [] if isinstance(values, dict) else []
        entries = sorted((e for e in entries if "data_files" in e), key=lambda entry: not entry.get("default"))
        return [_config(folder, entry) for entry in entries]
    except (yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError, NotImplementedError) as error:
        raise UsageError(f"{card}: its configs can't be read: {' '.join(str(error).split())[:200]}") from None


def _config(folder: Path, entry: dict[str, Any]) -> Config:
    """A card's entry; `data_files` is a pattern, a list of them, or a list of splits with theirs."""
    given = entry["data_files"]
    items = given if isinstance(given, list) else [given]
    files: list[tuple[str, Path]] = []
    for item in items:
        split, patterns = (item["split"], item["path"]) if isinstance(item, dict) else ("train", item)
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            matched = sorted(folder.glob(pattern))
            if not matched:
                raise UsageError(
                    f"{folder}: the card names {pattern}, but there is no such file; write the dataset anew"
                )
            files += [(split, file) for file in matched]
    return Config(entry["config_name"], _parts(folder, files))


def _parts(folder: Path, files: list[tuple[str, Path]]) -> tuple[Part, ...]:
    splits = sorted({split for split, _ in files}, key=lambda split: (split != "train", split))
    return tuple(
        Part(split, tuple(Source(str(f.relative_to(folder)), str(f), "file") for s, f in files if s == split))
        for split in splits
    )


def _split_of(name: str) -> str:
    found = _SPLIT.search(name)
    return found[1].lower() if found else "train"
