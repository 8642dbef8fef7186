"""Reads a configuration file as plain values, applies overrides, and words defects, one line each.

Only `config` uses this module. No message repeats a text value, because the text might be an API key.
"""

from __future__ import annotations

import copy
import glob
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

from ..core.errors import ConfigError
from ..core.suggest import closest

Values = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML loader that rejects duplicate keys and keeps the sign of `target: +500`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, value in ((key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "the same key stands here twice", key.start_mark)
            seen.add(key.value)
            if key.value == "target" and isinstance(value, yaml.ScalarNode) and value.value.startswith("+"):
                value.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Values:
    """Return the mapping in a YAML file. Raises ConfigError with the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `selfinstruct init` writes one to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory; name the YAML file in it") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from None
    try:
        values = yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: a character that YAML doesn't allow; remove it") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = re.sub(r"(alias|anchor|tag) '[^']*'", r"\1", error.problem or "not valid YAML")
        raise ConfigError(f"{path}:{line}: {problem}; check the indentation and the quotes") from None
    except (ValueError, RecursionError):  # such as an unquoted date with a 13th month
        raise ConfigError(f"{path}: a value that YAML can't read; put quotes around dates and texts") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values, such as 'target: 100'")
    if not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path}: every key must be a word, such as 'target'; put quotes around others")
    return values


def overridden(values: Values, items: list[str]) -> Values:
    """Return a copy of plain configuration values with every 'a.b=value' of `items` set. Raises ConfigError."""
    changed = copy.deepcopy(values)
    for item in items:
        _apply(changed, item)
    return changed


def _apply(values: Values, item: str) -> None:
    """Set one 'a.b=value'; the value is read as YAML, so `null`, `true`, `3` and `[a, b]` work."""
    key, mark, text = item.partition("=")
    if not mark or not key.strip():
        raise ConfigError("--set: write it as key=value, such as --set teacher.model=gpt-4o-mini")
    signed = key.strip() == "target" and text.strip().startswith("+")
    try:
        value = text.strip() if signed else text if text == "-" else yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        value = text
    *sections, last = key.strip().split(".")
    for section in sections:
        values = _section(values, section, key)
    if not isinstance(values, dict):
        raise _no_section(key, f"{_safe_key(last)} is not the number of an entry, counted from 0")
    values[last] = value


def _section(values: Any, section: str, key: str) -> Any:
    """Return the section or list called `section`, created if missing, or the list entry with this number."""
    if isinstance(values, list):
        if not section.isdecimal() or int(section) >= len(values):
            raise _no_section(key, f"{_safe_key(section)} is not the number of an entry, counted from 0")
        inner = values[int(section)]
    else:
        if values.get(section) is None:
            values[section] = {}
        inner = values[section]
    if not isinstance(inner, dict | list):
        raise _no_section(key, f"{_safe_key(section)} is not a section")
    return inner


def _no_section(key: str, problem: str) -> ConfigError:
    return ConfigError(f"--set {'.'.join(map(_safe_key, key.split('.')))}: {problem}")


def find_tables(values: Values, beside: Path) -> None:
    """Turn relative paths of seeds and evaluation sets that exist only beside the config file, or its parent, into
    ones that exist."""

    def find(source: Any) -> Any:
        if not isinstance(source, str) or source == "-":
            return source
        source = os.path.expanduser(source)
        places = (os.path.join(base, source) for base in ("", beside, beside.parent))
        return next((place for place in places if os.path.exists(place) or glob.glob(place)), source)

    seeds = values.get("seeds")
    if seeds is not None:
        values["seeds"] = [find(s) for s in seeds] if isinstance(seeds, list | tuple) else find(seeds)
    filters = values.get("filters")
    if isinstance(filters, dict) and isinstance(filters.get("decontaminate"), list):
        values["filters"] = filters | {"decontaminate": [find(s) for s in filters["decontaminate"]]}


# --- the wording of defects: one line each, without secrets ------------------------------------------

_UNION = {
    "seeds": "must be a path, or a list of paths",
    "target": "must be a number of records such as 500, or +500 for so many more at each start",
    "egress": "must be any, local-only, or a list of hosts",
    "filters.keywords": "must be true, false, or a list of words",
    "filters.prefixes": "must be true, false, or a list of texts",
    "filters.decontaminate": "must be a list of paths",
}
_KIND = {str: "a text", list: "a list", tuple: "a list", dict: "a section", type(None): "null"}
_KIND |= dict.fromkeys((bool, int, float), "a number")


def sections_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the keys of `model` that hold a section, or a list of sections, with its model."""
    kinds = {name: _section_in(field.annotation) for name, field in model.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _section_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def explain(error: Any, model: type[BaseModel]) -> tuple[str, str]:
    """Return the key of a pydantic error, and what is wrong with it and what to do."""
    path = [str(part) for part in error["loc"]]
    key, kind = ".".join(map(_safe_key, path)), error["type"]
    if kind == "extra_forbidden":
        return key, _unknown(path, model)
    if kind == "missing":
        return key, f"is needed; add it to the file or give --set {key}=..."
    for name, problem in _UNION.items():
        if key == name or key.startswith(f"{name}."):
            return name, problem
    if kind == "too_short":
        return key, "must name at least one"
    if kind in ("string_pattern_mismatch", "string_too_short"):
        return key, "must not be empty"
    if kind == "model_type":
        return key, f"is a section: its keys stand below it, indented, or are set as {key}.KEY=VALUE"
    return key, _wrong_value(error)


def _wrong_value(error: Any) -> str:
    kind, value = error["type"], error["input"]
    problem: str = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    problem = problem.replace("valid tuple", "list").replace("valid string", "text")
    if kind == "literal_error" and isinstance(value, str):
        guess = closest(value, re.findall(r"'([^']+)'", error["ctx"]["expected"]))
        return problem + (f"; did you mean {guess!r}?" if guess else "")
    if kind == "value_error":
        return problem
    quoted = "; put it in quotes" if kind == "string_type" and not isinstance(value, dict | list | type(None)) else ""
    kind = _KIND.get(type(value), "a date")
    return f"{problem} (it is {json.dumps(value)[:9] if kind == 'a number' else kind}){quoted}"


def _unknown(path: list[str], model: type[BaseModel]) -> str:
    """Word the defect of an unknown key: name the section that it belongs to, or the most similar key."""
    name, sections = path[-1], sections_of(model)
    homes = [f"{section}.{name}" for section, inner in sections.items() if name in inner.model_fields]
    if name in model.model_fields:
        homes.insert(0, name)
    home, beside = (".".join([*path[:-1], ""]), sections[path[0]]) if path[0] in sections else ("", model)
    guess = homes[0] if homes else closest(name, beside.model_fields)
    guess = home + guess if guess and not homes else guess
    hint = f"; did you mean {guess!r}?" if guess else ""
    if re.search(r"api|secret|passw|key(?!w)", name, re.IGNORECASE):
        hint = "; a key never stands here: export it, and name its environment variable in teacher.api_key_env"
    return f"unknown key{hint}"


def unusable_texts(values: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield keys whose text refers to an environment variable, or contains characters that can't be stored."""
    if isinstance(values, str) and path != "teacher.api_key_env":
        if re.search(r"\$\{.*?\}", values):
            yield (
                path,
                "${...} is not filled in here, only teacher.api_key_env names a variable; write the value itself",
            )
        elif re.search(r"[\0\ud800-\udfff]", values):
            yield path, "holds a character that can't be stored; write it anew"
    elif isinstance(values, dict | list | tuple) and depth < 4:  # a YAML alias may lead in a circle
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            name = _safe_key(str(key))
            yield from unusable_texts(value, f"{path}.{name}" if path else name, depth + 1)


def _safe_key(key: str) -> str:
    """Return a key's path for a message, masked if it looks like a secret."""
    words = re.split(r"[._-]", key)
    secret = re.match(r"sk-|hf_", key) or any(len(w) > 24 or random_looking(w) for w in words)
    return "(a key that is not shown)" if secret or not key.isprintable() else key


def random_looking(word: str) -> bool:
    """Return whether part of a name looks like part of an API key: long, with digits or in mixed case."""
    mixed = word.upper() != word != word.lower()
    digits = any(char.isdigit() for char in word) and any(char.isalpha() for char in word)
    return (len(word) >= 12 and digits) or (len(word) > 20 and mixed)
