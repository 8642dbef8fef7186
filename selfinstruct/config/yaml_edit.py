"""Adds to a list of a configuration file in place: everything else in it stays as it is, comments and order too.

`report` writes filters that a reviewer asks for with this module.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from ..core.errors import ConfigError, cannot_write
from .yaml_file import overridden, read_yaml


def extend_list(path: Path, section: str, key: str, items: Sequence[str]) -> None:
    """Make `section.key` in a file hold `items`, which begin with what the file lists there.

    Raises:
        ConfigError: The file can't be read, or its layout is none that this function knows; it is left as it is.
        UsageError: The file can't be written.
    """
    path = path.resolve()
    before = read_yaml(path)
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    wanted = overridden(before, [f"{section}.{key}={_flow(items)}"])
    try:
        try:
            fresh.write_text(_changed(text, section, key, items), encoding="utf-8", newline="")
            if read_yaml(fresh) != wanted:
                raise ConfigError(f"{path}: has a layout that can't be changed here")
            shutil.copymode(path, fresh)
            fresh.replace(path)
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
    except ConfigError:
        advice = f"add this yourself: {section}: {{{key}: {_flow(items)}}}"
        raise ConfigError(f"{path}: has a layout that can't be changed here; {advice}") from None
    except OSError as error:
        raise cannot_write(path, error) from None


def _changed(text: str, section: str, key: str, items: Sequence[str]) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    end = "\r\n" if "\r\n" in text else "\n"
    found = _pair(root, section)
    if found is None:
        # No such section: a new one at the end.
        gap = "" if not text or text.endswith("\n") else end
        return f"{text}{gap}{section}:{end}  {key}: {_flow(items)}{end}"
    name, values = found
    pair = _pair(values, key)
    if pair is not None:
        return _with_items(text, pair[1], items, end)
    if not isinstance(values, yaml.MappingNode):  # 'filters:' without keys
        return _replaced(text, values, f"{{{key}: {_flow(items)}}}")
    if values.flow_style:  # 'filters: {min_words: 3}'
        at = values.start_mark.index + 1
        return f"{text[:at]}{key}: {_flow(items)}{', ' if values.value else ''}{text[at:]}"
    # A line below 'filters:', so that the comments of other keys stay above them.
    at = text.index("\n", name.end_mark.index) + 1
    return f"{text[:at]}{' ' * values.start_mark.column}{key}: {_flow(items)}{end}{text[at:]}"


def _with_items(text: str, node: yaml.Node, items: Sequence[str], end: str) -> str:
    """Put `items` in place of a scalar such as 'true', or add those to a list that it lacks."""
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        return _replaced(text, node, _flow(items))
    new, last = items[len(node.value) :], node.value[-1].end_mark.index
    if node.flow_style:  # '[poem, song]'
        return f"{text[:last]}, {_flow(new)[1:-1]}{text[last:]}"
    # '- poem  # a comment'
    line = text.find("\n", last)
    at = len(text) if line < 0 else line - (text[line - 1] == "\r")
    indent = " " * node.start_mark.column
    return text[:at] + "".join(f"{end}{indent}- {_flow([each])[1:-1]}" for each in new) + text[at:]


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    start, stop = node.start_mark.index, node.end_mark.index
    return f"{text[:start]}{'' if text[start - 1 : start].isspace() else ' '}{value}{text[stop:]}"


def _pair(node: yaml.Node | None, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next(((name, value) for name, value in pairs if name.value == key), None)


def _flow(items: Sequence[str]) -> str:
    """Return a list on one line: '[poem, "a: b"]'."""
    return yaml.safe_dump(list(items), default_flow_style=True, allow_unicode=True, width=float("inf")).strip()
