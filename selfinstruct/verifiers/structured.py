"""The verifier 'structured': reads JSON, YAML, CSV, or a Markdown table from an answer, and compares it field by field.

The notation must be valid, with nothing besides, and types count: "5" isn't 5. White space in texts is folded; numbers
are compared exactly.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from ..core.bounded_yaml import BoundedLoader
from ..core.code_blocks import split_blocks
from ..core.programs import Run
from ..core.tasks import PASS, Verdict

MOST_CHARACTERS = 20_000
"""Longer answers aren't read."""
_MOST_BRACKETS = 1000
LANGUAGES = {"json": ("json", "jsonc"), "yaml": ("yaml", "yml"), "csv": ("csv",), "table": ("markdown", "md", "table")}
"""The formats, and what a fenced block in one may be labeled."""
_NAMES = {"json": "JSON", "yaml": "YAML", "csv": "CSV", "table": "a Markdown table"}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_CELL_END = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r":?-+:?")


async def verify(expected: Any, answer: str, run: Run) -> Verdict:
    """Compare the object in an answer with the expected one.

    Args:
        expected: {"format": "json", "value": {...}}; for 'csv' and 'table', the value is a list of rows, each an object
            with a value for each column. "any_order": true allows the members of lists, and rows, in any order.
        answer: What the teacher wrote: one fenced block, or the notation alone, and nothing else; any text.
        run: Not used.
    """
    kind = expected["format"]
    try:
        found = _READERS[kind](find_block(answer, kind))
    except (ValueError, ArithmeticError, RecursionError, csv.Error, yaml.YAMLError) as error:
        reason = " ".join(str(getattr(error, "problem", None) or error).split()) or "nested too deep"
        return Verdict("wrong_answer", f"not {_NAMES[kind]}: {reason[:120]}")
    value = expected["value"]
    if kind in ("csv", "table"):
        # Cells are texts; the expected values of a column say what they stand for.
        like = {name: each for row in reversed(value) for name, each in row.items() if each is not None}
        found = [{name: _cell(cell.strip(), like.get(name)) for name, cell in row.items()} for row in found]
    wrong = difference(value, found, "", expected.get("any_order", False))
    return Verdict("wrong_answer", wrong[:200]) if wrong else PASS


def find_block(text: str, kind: str) -> str:
    """Return the only block of a text, or the text if it has none. Raises ValueError if there is anything else."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"more than {MOST_CHARACTERS:,} characters")
    blocks, outside = split_blocks(text)
    if not blocks:
        return outside
    if len(blocks) > 1:
        raise ValueError(f"{len(blocks)} blocks instead of one")
    if blocks[0].label not in ("", *LANGUAGES[kind]):
        raise ValueError(f"a block of {blocks[0].label}")
    if outside:
        raise ValueError(f"there is text besides it: {outside[:40]}")
    return blocks[0].code


def difference(expected: object, found: object, path: str, any_order: bool) -> str | None:
    """Describe the first difference between two values of JSON in one line, or return None.

    >>> difference({"items": [{"count": 2}]}, {"items": [{"count": "2"}]}, "", any_order=False)
    'items[0].count: "2" instead of 2'
    """
    place = path or "the whole"
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        if missing := [str(key) for key in expected if key not in found]:
            return f"{place}: lacks {', '.join(missing)}"
        if extra := [str(key) for key in found if key not in expected]:
            return f"{place}: has {', '.join(extra)}, which isn't asked for"
        dotted = f"{path}." if path else ""
        wrong = (difference(value, found[key], f"{dotted}{key}", any_order) for key, value in expected.items())
        return next(filter(None, wrong), None)
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{place}: {len(found)} instead of {len(expected)}"
        if any_order:
            return _unordered(expected, found, place)
        wrong = (difference(a, b, f"{path}[{i}]", False) for i, (a, b) in enumerate(zip(expected, found, strict=True)))
        return next(filter(None, wrong), None)
    return None if _scalar(expected) == _scalar(found) else f"{place}: {_shown(found)} instead of {_shown(expected)}"


def _unordered(expected: list[Any], found: list[Any], place: str) -> str | None:
    left = list(found)
    for each in expected:
        same = next((i for i, other in enumerate(left) if difference(each, other, "", True) is None), None)
        if same is None:
            return f"{place}: lacks {_shown(each)}"
        del left[same]
    return None


def _scalar(value: object) -> tuple[str, object]:
    """Return what is compared of a value: its type, and the folded text or the exact number."""
    if isinstance(value, str):
        return "text", " ".join(unicodedata.normalize("NFC", value).split())
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return "number", Decimal(str(value))
    return type(value).__name__, value if isinstance(value, bool) else None


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda number: float(number))[:80]


def _read_json(text: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)

    def refuse(name: str) -> object:
        raise ValueError(f"{name} is no number of JSON")

    return json.loads(text, parse_float=Decimal, parse_constant=refuse, object_pairs_hook=unique)


class _PlainLoader(BoundedLoader):
    """Reads only what JSON has too: in YAML 1.1, 14:30 is the number 870, and 'no' is false."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML looks them up in the class

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping in which each key occurs once."""
        keys = [key.value for key, _ in node.value]
        if len(set(map(str, keys))) < len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)\Z"), ["~", "n", ""])
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), list("tf"))
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(?:0|[1-9]\d*)\Z"), list("-0123456789"))
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?\d+\.\d+\Z"), list("-0123456789"))
_PlainLoader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: Decimal(node.value))


def _read_yaml(text: str) -> object:
    if text.count("{") + text.count("[") > _MOST_BRACKETS:  # PyYAML's time is quadratic in nested ones
        raise ValueError(f"more than {_MOST_BRACKETS} brackets")
    return yaml.load(text, _PlainLoader)  # noqa: S506  a safe loader


def _read_csv(text: str) -> list[dict[str, str]]:
    lines = list(csv.reader(io.StringIO(text.strip()), strict=True))
    # A space belongs to the value (RFC 4180), so 'lentils, false' would be read as ' false'.
    if spaced := [cell for line in lines for cell in line if cell != cell.strip()]:
        raise ValueError(f"spaces around a value: {spaced[0][:40]!r}")
    return _rows(lines)


def _read_table(text: str) -> list[dict[str, str]]:
    """Read a Markdown table."""
    lines = [line.strip() for line in text.split("\n")]
    if others := [line for line in lines if line and not line.startswith("|")]:
        raise ValueError(f"there is text besides it: {others[0][:40]}")
    tables = [part.split("\n") for part in re.split(r"\n{2,}", "\n".join(lines).strip("\n")) if part.strip()]
    if len(tables) != 1:
        raise ValueError(f"{len(tables)} tables instead of one")
    cells = [[cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line.strip("|"))] for line in tables[0]]
    if len(cells) < 2 or not all(map(_RULE.fullmatch, cells[1])) or len(cells[1]) != len(cells[0]):
        raise ValueError("no rule below the header")
    return _rows([cells[0], *cells[2:]])


def _rows(lines: list[list[str]]) -> list[dict[str, str]]:
    """Return the rows of a table, by column. Raises ValueError unless all have one cell for each."""
    header = [name.strip() for name in lines[0]] if lines else []
    if len(set(header)) < len(header) or not header:
        raise ValueError("the header is empty, or names a column twice")
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(header):
            raise ValueError(f"row {number} has {len(line)} cells, the header {len(header)}")
    return [dict(zip(header, line, strict=True)) for line in lines[1:]]


def _cell(cell: str, like: object) -> object:
    """Return a cell as a value of the type of `like`; one that is no such value stays a text."""
    if isinstance(like, bool):
        return {"true": True, "false": False}.get(cell.lower(), cell)
    if isinstance(like, int | float) and _NUMBER.fullmatch(cell):
        try:
            return Decimal(cell)
        except InvalidOperation:  # more digits than a Decimal can have
            return cell
    return cell if cell or isinstance(like, str) else None


_READERS: dict[str, Callable[[str], Any]] = {
    "json": _read_json,
    "yaml": _read_yaml,
    "csv": _read_csv,
    "table": _read_table,
}
