"""The types of keys that hold paths, and the search for such keys in plain values, by which `RunConfig` resolves them.

The values may be those of a file, so that nothing is known to be valid yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Field, Strict

from ..core.paths import beside, is_hub_name, is_there, seen_from
from .fields import Name


@dataclass(frozen=True)
class IsPath:
    """Declares the texts of a key as paths: in a file, they are relative to the folder of the file.

    is_name: called with a text and the path that it would be; returns whether the text is a name instead, which stays
    as it is. pattern: whether a path may be a pattern. is_made: whether it names a folder that the run makes.
    """

    is_name: Callable[[str, str], bool] = lambda text, path: False
    pattern: bool = False
    is_made: bool = False


def _is_source_name(text: str, path: str) -> bool:
    """Return whether a text is '-', a URL, or the name of a dataset on the hub where no folder has this name."""
    return text == "-" or "://" in text or (is_hub_name(text) and not is_there(path))


PathName = Annotated[Name, IsPath()]  # a file or a folder
SourceName = Annotated[Name, IsPath(_is_source_name, pattern=True)]  # a table: one of these, '-', or a name on the hub
# A chat template: a file, or the name of one that ships.
TemplateName = Annotated[Name, IsPath(lambda text, path: not text.endswith((".jinja", ".jinja2", ".json")))]
SourceNames = Annotated[tuple[SourceName, ...], Strict(False)]
# One or several: tables; or documents, which have no names on the hub.
Tables = SourceName | Annotated[SourceNames, Field(min_length=1)]
_Pattern = Annotated[Name, IsPath(pattern=True)]
Documents = _Pattern | Annotated[tuple[_Pattern, ...], Strict(False), Field(min_length=1)]
RunFolder = Annotated[Name, IsPath(is_made=True)]

_Change = Callable[[str, str, IsPath], str]
"""Called with the dotted key of a path, the path, and its declaration; returns the path to put in its place."""


def _change_paths(values: Mapping[str, Any], model: type[BaseModel], change: _Change, key: str = "") -> dict[str, Any]:
    """Return a copy of the values of a section with other paths.

    Args:
        values: Plain values, right or wrong.
        model: The model of the section.
        change: Returns the new paths.
        key: The dotted key of the section, with a dot at its end; '' for the whole configuration.
    """
    fields = model.model_fields
    return {
        name: _changed(f"{key}{name}", value, fields[name].annotation, fields[name].metadata, change)
        if name in fields
        else _changed(f"{key}{name}", value, object, getattr(model, "other_keys", ()), change)
        for name, value in values.items()
    }


def _changed(key: str, value: Any, annotation: Any, notes: Iterable[Any], change: _Change) -> Any:
    """Return a value with other paths. notes: what `Annotated` says about it beside the type `annotation`."""
    # A path, or a section whose model depends on its kind.
    for note in notes:
        if isinstance(note, IsPath) and isinstance(value, str):
            return change(key, value, note)
        if hasattr(note, "models") and isinstance(value, Mapping):  # ByKind, OwnedBy
            kind = str(value.get("kind", note.default))
            return _change_paths(value, note.models().get(kind, note.base), change, f"{key}.")

    # Descend: Annotated[X, ...]; X | Y; a section; tuple[X, ...]; dict[str, X].
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _changed(key, value, parts[0], parts[1:], change)
    if origin in (Union, UnionType):
        results = (_changed(key, value, part, (), change) for part in parts)
        return next((result for result in results if result != value), value)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, Mapping):
        return _change_paths(value, annotation, change, f"{key}.")
    if origin is tuple and isinstance(value, list | tuple):
        return [_changed(f"{key}.{index}", each, parts[0], (), change) for index, each in enumerate(value)]
    if origin is dict and isinstance(value, Mapping):
        return {name: _changed(f"{key}.{name}", each, parts[1], (), change) for name, each in value.items()}
    return value


def paths_of_file(
    values: Mapping[str, Any], model: type[BaseModel], folder: str | Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of a file in `folder` with paths as seen from the working directory, and problems by key.

    A problem is a path that leads nowhere, but would from the working directory.
    """
    problems: dict[str, str] = {}

    def change(key: str, text: str, rule: IsPath) -> str:
        path = beside(folder, text, pattern=rule.pattern)
        if not rule.is_made and not is_there(path) and is_there(text) and not rule.is_name(text, text):
            problems[key] = f"paths begin in the folder of this file; write {seen_from(folder, text)}"
        return text if rule.is_name(text, path) else path

    return _change_paths(values, model, change), problems


def map_paths(values: Mapping[str, Any], model: type[BaseModel], change: Callable[[str], str]) -> dict[str, Any]:
    """Return a copy of values whose paths begin in the working directory, with other paths. Names stay as they are."""
    return _change_paths(values, model, lambda key, text, rule: text if rule.is_name(text, text) else change(text))
