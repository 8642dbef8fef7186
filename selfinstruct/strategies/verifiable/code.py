"""Tasks whose answer is code: Python functions, SQL queries, and regular expressions, checked by running them."""

from __future__ import annotations

from random import Random

from .python_tasks import MAX_PARTS, draw_python
from .regex_tasks import draw_regex
from .sql_tasks import draw_sql
from .task import Task


def draw(random: Random, language: str, max_parts: int = MAX_PARTS) -> Task:
    """Draw a task: mostly Python, and SQL and regular expressions one time in six each. language: 'en' or 'zh'."""
    [kind] = random.choices(["python", "sql", "regex"], [4, 1, 1])
    if kind == "sql":
        return draw_sql(random, language)
    return (draw_python if kind == "python" else draw_regex)(random, language, max_parts)
