"""Tasks whose answer is code: Python functions, SQL queries, and regular expressions, checked by running them."""

from __future__ import annotations

from random import Random

from .python_tasks import draw_python
from .regex_tasks import draw_regex
from .sql_tasks import draw_sql
from .task import Task


def draw(random: Random, language: str) -> Task:
    """Draw a task: mostly Python, and SQL and regular expressions one time in six each. language: 'en' or 'zh'."""
    [draw_one] = random.choices([draw_python, draw_sql, draw_regex], [4, 1, 1])
    return draw_one(random, language)
