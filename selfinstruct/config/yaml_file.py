"""Reads a configuration file as plain values and applies `--set`. `RunConfig.load` uses this module.

No message repeats a text value, because the text might be an API key.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from ..core.bounded_yaml import MAX_CHARS, BoundedLoader, OutOfBounds
from ..core.errors import ConfigError
from .secrets import safe_key

Values = dict[str, Any]

_TWICE = "this key appears twice"


class _Loader(BoundedLoader):
    """YAML loader that rejects duplicate keys and keeps the sign of `target: +500`."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # YAML keeps the last of two equal keys; an error is safer.
        seen = set()
        for key, value in ((key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, _TWICE, key.start_mark)
            seen.add(key.value)
            # YAML reads '+500' as the number 500. Keep the text, because the sign has a meaning here.
            if key.value == "target" and isinstance(value, yaml.ScalarNode) and value.value.startswith("+"):
                value.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, starter: str = "selfinstruct init") -> Values:
    """Return the mapping in a YAML file, which `starter` writes. Raises ConfigError with the line."""
    # Read the text.
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_CHARS + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `{starter}` writes one to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory; name the YAML file in it") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from None

    if len(text) > MAX_CHARS:
        raise ConfigError(f"{path}: longer than {MAX_CHARS:,} characters; check the file's name")

    # Parse it. PyYAML's messages may quote a value, so only the problem and the line are repeated.
    try:
        values = yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: a character that YAML doesn't allow; remove it") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        # "found undefined alias 'sk-123'" -> "found undefined alias"
        problem = re.sub(r"(alias|anchor|tag) '[^']*'", r"\1", error.problem or "not valid YAML")
        advice = "; remove one of them" if problem == _TWICE else "; check the indentation and the quotes"
        raise ConfigError(f"{path}:{line}: {problem}{'' if isinstance(error, OutOfBounds) else advice}") from None
    except ValueError:  # such as an unquoted date with a 13th month
        raise ConfigError(f"{path}: a value that YAML can't read; put quotes around dates and texts") from None

    # Check that the file has keys: a list or a single text has none, and `1: a` has a number as a key.
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values, such as 'target: 100'")
    if not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path}: every key must be text, such as 'target'; put other keys in quotes")
    return values


def overridden(values: Values, items: list[str]) -> Values:
    """Return a copy of `values` in which every override of `items`, such as 'a.b=value', is set. Raises ConfigError."""
    changed = copy.deepcopy(values)
    for item in items:
        _apply(changed, item)
    return changed


def _apply(values: Values, item: str) -> None:
    """Set one override, such as 'a.b=value'. The value is YAML, so `null`, `true`, `3` and `[a, b]` work."""
    # Split at the first '=': the value may contain more of them, as URLs do.
    key, mark, text = item.partition("=")
    if not mark or not key.strip():
        given = f"--set {safe_key(key.strip())}" if key.strip() else "--set"
        raise ConfigError(f"{given}: must be KEY=VALUE; write it like --set teacher.model=gpt-4o-mini")

    # Parse the value. A text that is not valid YAML, such as 'a: b: c', is kept as text.
    signed = key.strip() == "target" and text.strip().startswith("+")
    try:
        # '-' is standard input; YAML would read a list.
        value = text.strip() if signed else text if text == "-" else yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except OutOfBounds as error:
        raise ConfigError(f"--set {safe_key(key.strip())}: {error.problem}") from None
    except (yaml.YAMLError, ValueError):
        value = text

    # Descend to the section, creating missing ones, and set the last key there.
    *sections, last = key.strip().split(".")
    for section in sections:
        values = _section(values, section, key)
    if not isinstance(values, dict):
        raise _no_section(key, f"{safe_key(last)} is not the index of an entry; count from 0")
    values[last] = value


def _section(values: Any, section: str, key: str) -> Any:
    """Return the section or list called `section`, created if missing, or the list entry with this index."""
    if isinstance(values, list):
        if not section.isdecimal() or int(section) >= len(values):
            raise _no_section(key, f"{safe_key(section)} is not the index of an entry; count from 0")
        inner = values[int(section)]
    else:
        if values.get(section) is None:
            values[section] = {}
        elif section in ("strategy", "teacher") and isinstance(values[section], str):
            # 'alpaca' is shorthand for {kind: alpaca}
            values[section] = {"kind": values[section]}
        inner = values[section]
    if not isinstance(inner, dict | list):
        raise _no_section(key, f"{safe_key(section)} is not a section; set the key itself, or check its name")
    return inner


def _no_section(key: str, problem: str) -> ConfigError:
    return ConfigError(f"--set {'.'.join(map(safe_key, key.split('.')))}: {problem}")
