"""An object in an answer is read strictly and compared field by field."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from selfinstruct.core.tasks import Verdict
from selfinstruct.verifiers import structured

ORDER = {"customer": "Ana Ruiz", "paid": False, "total": 24.5, "items": [{"name": "mug", "count": 2}], "note": None}
ROWS = [
    {"name": "Ana", "count": 2, "price": 3.5, "new": True},
    {"name": "Bo, Jr.", "count": 1, "price": 10, "new": False},
]
FORMATS = sorted(structured.LANGUAGES)


async def run(program: Any) -> Any:
    raise AssertionError("nothing is run")


def check(answer: str, value: object = ORDER, kind: str = "json", **options: object) -> Verdict:
    return asyncio.run(structured.verify({"format": kind, "value": value, **options}, answer, run))


def written(rows: list[dict[str, Any]], kind: str) -> str:
    """Rows in a format."""
    if kind == "json":
        return json.dumps(rows)
    if kind == "yaml":
        return yaml.safe_dump(rows, allow_unicode=True)
    plain = [
        {key: str(value).lower() if isinstance(value, bool) else value for key, value in row.items()} for row in rows
    ]
    if kind == "csv":
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(plain)
        return file.getvalue()
    lines = [list(rows[0]), ["---"] * len(rows[0]), *[[row[name] for name in rows[0]] for row in plain]]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("around", ["{}", "\n```\n{}\n```\n", "~~~~LABEL\n{}\n~~~~"])
def test_what_is_written_is_read_back(kind: str, around: str) -> None:
    answer = around.replace("LABEL", structured.LANGUAGES[kind][0]).replace("{}", written(ROWS, kind))
    assert check(answer, ROWS, kind).ok


@pytest.mark.parametrize("kind", FORMATS)
def test_any_other_field_is_named(kind: str) -> None:
    other = [dict(ROWS[0]), {**ROWS[1], "price": 10.01}]
    verdict = check(written(other, kind), ROWS, kind)
    assert (verdict.reason, verdict.detail) == ("wrong_answer", "[1].price: 10.01 instead of 10")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"total": "24.5"}, 'total: "24.5" instead of 24.5'),
        ({"paid": 0}, "paid: 0 instead of false"),
        ({"customer": "ana ruiz"}, 'customer: "ana ruiz" instead of "Ana Ruiz"'),
        ({"note": ""}, 'note: "" instead of null'),
        ({"items": []}, "items: 0 instead of 1"),
        ({"items": [{"name": "mug"}]}, "items[0]: lacks count"),
        ({"phone": 1}, "the whole: has phone, which isn't asked for"),
    ],
)
def test_the_first_difference_is_told(change: dict[str, Any], detail: str) -> None:
    assert check(json.dumps({**ORDER, **change})).detail == detail


def test_white_space_and_spelling_of_numbers_make_no_difference() -> None:
    items = '[{"count": 2.0, "name": "mug"}]'
    assert check(f'{{"customer": " Ana  Ruiz", "paid": false, "total": 24.50, "items": {items}, "note": null}}').ok


def test_order_counts_unless_any_order_is_allowed() -> None:
    turned = written(ROWS[::-1], "csv")
    assert not check(turned, ROWS, "csv").ok
    assert check(turned, ROWS, "csv", any_order=True).ok
    assert check(written([ROWS[0], ROWS[0]], "csv"), ROWS, "csv", any_order=True).detail.startswith("the whole: lacks")


@pytest.mark.parametrize(
    ("answer", "kind", "detail"),
    [
        ('Sure! {"a": 1}', "json", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"a": 1, "a": 1}', "json", "not JSON: a key occurs twice"),
        ('{"a": NaN}', "json", "not JSON: NaN is no number of JSON"),
        ('```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```', "json", "not JSON: 2 blocks instead of one"),
        ('Here you are:\n```json\n{"a": 1}\n```', "json", "not JSON: there is text besides it: Here you are:"),
        ("```yaml\na: 1\n```\nThe text says 1.", "yaml", "not YAML: there is text besides it: The text says 1."),
        ("| a |\n|---|\n| 1 |\n\nDone.", "table", "not a Markdown table: there is text besides it: Done."),
        ("```python\n[{'a': 1}]\n```", "json", "not JSON: a block of python"),
        ("[" * 19_000, "json", "not JSON: "),
        ("x" * 20_001, "json", "not JSON: more than 20,000 characters"),
        ("a: 1\na: 1", "yaml", "not YAML: a key occurs twice"),
        ("a: &x [*x]", "yaml", "not YAML: an alias that contains itself; remove it"),
        ("!!python/object/apply:os.getcwd []", "yaml", "not YAML: could not determine a constructor"),
        ("a,b\n1", "csv", "not CSV: row 1 has 1 cells, the header 2"),
        ('a\n"1', "csv", "not CSV: unexpected end of data"),
        ("a, b\n1,2", "csv", "not CSV: spaces around a value: ' b'"),
        ("a,b\n1 ,2", "csv", "not CSV: spaces around a value: '1 '"),
        ("| a |\n| 1 |", "table", "not a Markdown table: no rule below the header"),
        ("| a |\n|---|\n| 1 |\n\n| a |\n|---|\n| 1 |", "table", "not a Markdown table: 2 tables instead of one"),
    ],
)
def test_what_cannot_be_read_says_why(answer: str, kind: str, detail: str) -> None:
    assert check(answer, [{"a": 1}], kind).detail.startswith(detail)


def test_yaml_has_no_more_types_than_json() -> None:
    answer = "time: 14:30\nday: 2026-03-05\nanswer: no\ncode: 007\nprice: 1.10\n"
    assert check(answer, {"time": "14:30", "day": "2026-03-05", "answer": "no", "code": "007", "price": 1.1}, "yaml").ok


@settings(max_examples=60)
@given(st.text(alphabet='{}[]":,|-\n`~ab01.&*!', max_size=60), st.sampled_from(FORMATS))
def test_no_answer_raises(answer: str, kind: str) -> None:
    check(answer, ROWS, kind)


CELL = st.text(alphabet='ab ,"|0é', min_size=1, max_size=8).map(lambda text: " ".join(text.split())).filter(bool)
ROW = st.fixed_dictionaries(
    {"name": CELL, "count": st.integers(-999, 999), "price": st.decimals(0, 99, places=2).map(float)}
)


@settings(max_examples=40)
@given(st.lists(ROW, min_size=1, max_size=4), st.sampled_from(FORMATS))
def test_any_rows_are_read_back(rows: list[dict[str, Any]], kind: str) -> None:
    verdict = check(f"```{kind}\n{written(rows, kind)}\n```", rows, kind)
    assert verdict.ok, verdict.detail
