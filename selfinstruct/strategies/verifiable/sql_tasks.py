"""Tasks for SQL queries: a condition and a question about two tables, with rows for which the condition matters."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from functools import cache
from random import Random
from typing import Any

from ...core.records import GroundTruth
from ...core.shipped import shipped_yaml
from .python_tasks import draw_wording
from .task import Task

_COLUMNS = ("label", "group", "number", "day", "parent", "trait")
_DAYS = ("2024-01-15", "2024-02-29", "2024-03-01", "2024-06-30", "2024-12-31", "2025-01-01")


@cache
def _sql() -> Any:
    return shipped_yaml(__package__, "sql.yaml")


def draw_sql(random: Random, language: str) -> Task:
    """Draw a task for a SQL query."""
    parts, column = _sql(), ("en", "zh").index(language)
    while True:
        # The names of the tables and columns, and the values that the condition and the question name.
        table = random.choice(list(parts["tables"]))
        *columns, labels, groups, traits = parts["tables"][table]
        names = dict(zip(_COLUMNS, columns, strict=True)) | {"table": table}
        numbers = sorted(random.sample(range(5, 100), 6))
        low, high = sorted(random.sample(numbers[1:5], 2))
        one, other = random.sample(groups[:3], 2)
        values = {"n": low, "m": high, "g": one, "h": other, "d": random.choice(_DAYS[1:5]), "k": random.choice((2, 3))}
        condition, where = random.choice(list(parts["conditions"].items()))
        name, query = random.choice(list(parts["queries"].items()))

        # The statement, and the same without its condition, which must give something else.
        everything = names | values
        condition_sql = where[2].format(**everything)
        statement, without = (query[2].format(**everything, where=each) for each in (condition_sql, "1 = 1"))
        schema = parts["schema"].format(**names)
        cases, telling = [], 0
        for count in (12, 9, 14, 5, 1, 0):
            columns_of_a_row = (labels, [*groups[:3], None], numbers, _DAYS)
            drawn = [(n, *map(random.choice, columns_of_a_row)) for n in range(1, count + 1)]
            script = "\n".join(
                parts["insert"].format(table=key, values=", ".join(map(_literal, rows)))
                for key, rows in ((table, drawn), (names["parent"], list(zip(groups, traits, strict=True))))
                if rows
            )
            rows, other_rows = _results(schema + script, statement, without)
            cases.append({"input": script, "result": rows})
            telling += rows != other_rows
        results = [case["result"] for case in cases]
        if telling < 3 or sum(map(bool, results)) < 3 or len(set(map(str, results))) < 4:
            continue

        asked = query[column].format(**everything, where=where[column].format(**everything))
        form, template = draw_wording("sql", language, random)
        expected = {"language": "sql", "only": form, "setup": schema, "ordered": query[3], "cases": cases}
        truth = GroundTruth("code", json.dumps(expected))
        # 'orders over32 top3': the condition and the question with their values.
        tokens = [
            kind + "".join(str(value) for key, value in values.items() if f"{{{key}}}" in text)
            for kind, text in ((condition, where[2]), (name, query[2]))
        ]
        return Task(
            template.format(query=asked),
            schema.strip(),
            truth,
            " ".join([table, *tokens]).replace("-", "").lower(),
            f"```sql\n{statement};\n```",
        )


def _literal(row: tuple[Any, ...]) -> str:
    return f"({', '.join('NULL' if each is None else repr(each) for each in row)})"


def _results(script: str, *statements: str) -> list[list[list[Any]]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        return [list(map(list, connection.execute(each))) for each in statements]
