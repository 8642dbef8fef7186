"""Extraction: the program draws an object, writes a text about it, and asks for the object (`structured.yaml`)."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import yaml

from ...core.records import GroundTruth
from ...core.shipped import fill_in, shipped_yaml
from ...verifiers.expressions import number_range
from .task import Task

_OBJECT_FORMATS, _ROW_FORMATS = ("json", "json", "yaml"), ("json", "yaml", "csv", "table")
_LEAST_FIELDS = 3
_TWELVE_HOURS = 0.3  # the share of English texts with times such as 2:30 PM, which small teachers convert wrongly
_FIRST_DAY, _DAYS = datetime.date(2025, 1, 1), 900
_PLACE = re.compile(r"\{([a-z_]+)(?::money)?\}")


def draw(random: Random, language: str) -> Task:
    """Draw an extraction task in 'en' or 'zh'.

    Raises:
        ValueError: There is no domain in this language.
    """
    data = _data()
    names = [name for name, domain in data["domains"].items() if language in domain["text"]]
    if not names:
        raise ValueError(f"structured: no domain in {language!r}")
    name = random.choice(names)
    domain = data["domains"][name]
    many = "rows" in domain
    kind = random.choice(_ROW_FORMATS if many else _OBJECT_FORMATS)
    rows, text = _rows(domain, random, language)
    # Only some of the fields are asked for, in the order of the text or another one.
    fields = list(domain["fields"])
    asked = random.sample(fields, random.randint(min(_LEAST_FIELDS, len(fields)), len(fields)))
    found = [{field: row[field] for field in asked} for row in rows]
    expected = {"format": kind, "value": found if many else found[0]}
    instruction = _instruction(domain, asked, kind, many, random, language)
    meaning = f"{name} {kind} {' '.join(asked)} {' '.join(str(value) for row in found for value in row.values())}"
    truth = GroundTruth("structured", json.dumps(expected, ensure_ascii=False))
    return Task(instruction, text, truth, meaning, _written(kind, found if many else found[0]))


def _written(kind: str, value: Any) -> str:
    """Return an object, or rows, in a format."""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=2)
    if kind == "yaml":
        return yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    rows = [
        list(value[0]),
        *(["true" if v is True else "false" if v is False else str(v) for v in row.values()] for row in value),
    ]
    if kind == "table":
        return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


@cache
def _data() -> Any:
    return shipped_yaml(__package__, "structured.yaml")


def _rows(domain: Mapping[str, Any], random: Random, language: str) -> tuple[list[dict[str, Any]], str]:
    """Draw the rows, or the only object, and the text about them. The first field, and cities, are different in all."""
    count = int(random.choice(number_range(domain["rows"]))) if "rows" in domain else 1
    rows: list[dict[str, Any]] = []
    wording, twelve_hours = random.choice(domain["text"][language]), random.random() < _TWELVE_HOURS
    while len(rows) < count:
        row: dict[str, Any] = {}
        for field, (spec, *_) in domain["fields"].items():
            taken = [*row.values(), *(each[field] for each in rows if field == next(iter(domain["fields"])))]
            row[field] = _value(spec, taken, random, language)
        rows.append(row)
    if "time" in domain["fields"] and count > 1:  # a log is in order
        for row, time in zip(rows, sorted(row["time"] for row in rows), strict=True):
            row["time"] = time
    sentences = [_worded(wording, domain, row, language, twelve_hours) for row in rows]
    text = ("" if language == "zh" else " ").join([domain["intro"][language], *sentences] if count > 1 else sentences)
    return rows, text


def _value(spec: Any, taken: list[Any], random: Random, language: str) -> Any:
    """Draw a value; a text is none of those that are taken."""
    if spec == "bool":
        return random.random() < 0.5
    if spec == "date":
        return str(_FIRST_DAY + datetime.timedelta(days=random.randrange(_DAYS)))
    if spec == "time":
        return f"{random.randint(6, 22):02}:{5 * random.randrange(12):02}"
    if isinstance(spec, str) and not spec.startswith("@"):
        number = random.choice(number_range(spec))
        return int(number) if number.denominator == 1 else float(number)
    if isinstance(spec, str):
        pool, _, count = spec[1:].partition("*")
        values = _data()["pools"][pool][language]
        if count:
            return random.sample(values, int(random.choice(number_range(count))))
    else:
        values = spec[language] if isinstance(spec, dict) else spec
    return random.choice([value for value in values if value not in taken] or values)


def _worded(wording: str, domain: Mapping[str, Any], row: Mapping[str, Any], language: str, twelve_hours: bool) -> str:
    """Fill in the text about one row: dates and times as people write them, and {paid} as its sentence."""

    def filled(place: re.Match[str]) -> str:
        field, value = place[1], row[place[1]]
        spec, *rest = domain["fields"][field]
        if spec == "bool":
            return str(rest[1][language][0 if value else 1])
        if spec == "date":
            day = datetime.date.fromisoformat(value)
            return f"{day.year}年{day.month}月{day.day}日" if language == "zh" else f"{day:%B} {day.day}, {day.year}"
        if spec == "time" and language == "en" and twelve_hours:
            return f"{datetime.time.fromisoformat(value):%I:%M %p}".lstrip("0")
        if isinstance(value, list):
            return "、".join(value) if language == "zh" else ", ".join(value)
        return f"{value:.2f}" if place[0].endswith(":money}") and isinstance(value, float) else str(value)

    return _PLACE.sub(filled, wording)


def _instruction(
    domain: Mapping[str, Any], asked: list[str], kind: str, many: bool, random: Random, language: str
) -> str:
    """Say what to extract, in which format, and what each field is."""
    data = _data()
    name = data["formats"][language][kind]
    shape = data["shapes"][language][kind] if many else name
    colon, comma = ("：", "，") if language == "zh" else (": ", ", ")
    lines = [fill_in(random.choice(data["leads"][language]), {"what": domain["what"][language], "format": shape})]
    fields = data["kinds"][language]["column" if kind in ("csv", "table") else "field"]
    lines.append(fill_in(data["fields"][language], {"kind": fields}))
    for field in asked:
        spec, description, *_ = domain["fields"][field]
        rule = data["rules"][language].get(_rule(spec))
        lines.append(f"- {field}{colon}{description[language]}" + (f"{comma}{rule}" if rule else ""))
    order = [data["rules"][language]["order"]] if many else []
    only = fill_in(data["rules"][language]["only"], {"format": name.removeprefix("a ")})
    return "\n".join([*lines, ("" if language == "zh" else " ").join([*order, only])])


def _rule(spec: Any) -> str:
    """Return the name of the rule that says how a value is to be written."""
    if not isinstance(spec, str):
        return ""
    if spec.startswith("@"):
        return "list" if "*" in spec else ""
    return spec if spec in ("bool", "date", "time") else "number"
