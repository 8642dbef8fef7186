"""Turns pydantic's errors into messages about a configuration, one line each. `RunConfig` uses this module.

No message repeats a text value, because the text might be an API key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from ..core.suggest import closest, in_plain_words
from .options import ByKind, OwnedBy
from .secrets import safe_key

# Keys with several types: pydantic reports an error for each type, and one message replaces them.
_UNION = {
    "seeds": "must be a path, or a list of paths",
    "documents": "must be a path, or a list of paths",
    "documents_license": "must be a license, or a mapping of documents to licenses",
    "target": "must be a number of records such as 500, or +500 for 500 more at each start",
    "egress": "must be any, local-only, or a list of hosts",
    "filters.keywords": "must be true, false, or a list of words",
    "filters.prefixes": "must be true, false, or a list of texts",
    "filters.decontaminate": "must be a list of paths",
    "filters.wrong_answer": "must be true, false, or label",
    "teacher.extra_headers": "must be a mapping of names to texts, or to {env: NAME}",
}
# What a wrong value is, without repeating the value.
_KIND = {str: "text", list: "a list", tuple: "a list", dict: "a section", type(None): "null"}
_KIND |= dict.fromkeys((bool, int, float), "a number")


def sections_of(model: type[BaseModel]) -> dict[str, list[type[BaseModel]]]:
    """Return the keys of `model` that hold a section or a list of sections.

    Each comes with the models of the section: several if the section has options by kind.
    """
    found = {name: _models_in(field.annotation, field.metadata) for name, field in model.model_fields.items()}
    return {name: models for name, models in found.items() if models}


def _models_in(annotation: Any, metadata: Iterable[Any] = ()) -> list[type[BaseModel]]:
    """Return the models in an annotation, such as `tuple[Annotated[TeacherOptions, ByKind(...)], ...] | None`."""
    for item in metadata:
        if isinstance(item, ByKind | OwnedBy):
            return list(item.models().values())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner = (_models_in(part, getattr(annotation, "__metadata__", ())) for part in get_args(annotation))
    return next(filter(None, inner), [])


def paths_to(key: str, models: Sequence[type[BaseModel]], path: str = "") -> Iterator[str]:
    """Yield the dotted path of every key with this name, in the models and in their sections."""
    if any(key in model.model_fields for model in models):
        yield path + key
    for section, inner in {k: v for model in models for k, v in sections_of(model).items()}.items():
        yield from paths_to(key, inner, f"{path}{section}.")


def explain(error: Any, model: type[BaseModel], *, from_file: bool) -> tuple[str, str]:
    """Return the key of a pydantic error, and a message: what is wrong; what to do.

    Args:
        error: One of `ValidationError.errors()`.
        model: The model of the whole configuration.
        from_file: Whether the values come from a file and --set, rather than from Python.
    """
    # ('teachers', 0, 'modle') -> 'teachers.0.modle'
    path = [str(part) for part in error["loc"] if part != "[key]"]  # how pydantic marks a key that is wrong itself
    key, kind = ".".join(map(safe_key, path)), error["type"]

    # Keys that are unknown or missing.
    if kind == "extra_forbidden":
        return key, _unknown(path, model)
    if kind == "missing":
        return key, "is missing; " + (f"add it to the file or give --set {key}=..." if from_file else "pass it")

    # Values: first the keys with a message of their own, then by kind of error.
    for name, problem in _UNION.items():
        if key == name or key.startswith(f"{name}."):
            return name, problem
    if kind == "too_short":
        return key, "must not be empty; name at least one"
    if kind in ("string_pattern_mismatch", "string_too_short"):
        return key, "must not be empty; write a value, or remove the key"
    if kind == "model_type":
        written = f"indent its keys below it, or set {key}.KEY=VALUE" if from_file else "pass a mapping"
        return key, f"must be a section; {written}"
    return key, _wrong_value(error)


def _wrong_value(error: Any) -> str:
    """Return a message for a value of the wrong type or size."""
    kind, value, problem = error["type"], error["input"], in_plain_words(error["msg"])

    # A wrong choice: 'jsonschema' in place of 'json_schema'.
    if kind == "literal_error" and isinstance(value, str):
        guess = closest(value, re.findall(r"'([^']+)'", error["ctx"]["expected"]))
        return problem + (f"; did you mean {guess!r}?" if guess else "")
    if kind == "value_error":
        return problem

    # A wrong type. Numbers and truth values are repeated; texts never, because a text might be an API key.
    quoted = "; put it in quotes" if kind == "string_type" and not isinstance(value, dict | list | type(None)) else ""
    kind = _KIND.get(type(value), "a date")
    return f"{problem} (it is {json.dumps(value)[:9] if kind == 'a number' else kind}){quoted}"


def _unknown(path: list[str], model: type[BaseModel]) -> str:
    """Return a message for an unknown key: where the key belongs, or the most similar key of the same section."""
    name, models = path[-1], [model]

    # Descend to the models of the section; ['teachers', '0', 'modle'] contains the index of a list entry.
    for section in path[:-1]:
        inner = {k: v for each in models for k, v in sections_of(each).items()}.get(section)
        models = models if inner is None else inner
    if any(name in each.model_fields for each in models):
        return f"is an option of another kind; remove it, or change {'.'.join(path[:-1])}.kind"

    # Suggest a key: 'seed_demos' belongs in 'strategy.seed_demos', and 'targt' resembles 'target'.
    homes = list(paths_to(name, [model]))
    guess = homes[0] if homes else closest(name, {key: None for each in models for key in each.model_fields})
    guess = ".".join([*path[:-1], guess]) if guess and not homes else guess
    hint = f"; did you mean {guess!r}?" if guess else ""

    # A key such as 'api_key' or 'password', but not 'keywords'.
    if re.search(r"api|secret|passw|key(?!w)", name, re.IGNORECASE):
        hint = "; never write a key here; export it, and name its environment variable in teacher.api_key_env"
    return f"unknown key{hint}"


def unusable_texts(values: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the keys whose text can't be used, each with a message.

    Args:
        values: The configuration, or a part of it.
        path: The key of `values`, such as 'teachers.0'.
        depth: How many sections `values` is inside.
    """
    if isinstance(values, str) and path != "teacher.api_key_env":
        if re.search(r"\$\{.*?\}", values):
            yield (
                path,
                "${...} isn't substituted; write the value itself (only teacher.api_key_env names a variable)",
            )
        elif re.search(r"[\0\ud800-\udfff]", values):
            yield path, "contains a character that can't be stored; type the value again"
    elif isinstance(values, dict | list | tuple) and depth < 4:  # a YAML alias may refer to itself
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            name = safe_key(str(key))
            yield from unusable_texts(value, f"{path}.{name}" if path else name, depth + 1)
