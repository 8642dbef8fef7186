# ruff: noqa: E501
"""Twenty small Python tasks with right and wrong solutions and tests, and a server on loopback that writes them."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chat_server import chat_server

NUMBERS = [[3, 1, 2], [0], [], [5, -1, 5, 8], [-4, -7], [10, 20, 30, 40], [2, 2, 2], [7, 4]]
TEXTS = ["Hello", "", "abba", "A quick fox", "zoo", "  spaced ", "x", "MiXeD cAsE"]
WHOLE = [1, 2, 3, 7, 10, 12, 25, 100]
# name | what it does | right | wrong | wrong in another way
_ROWS = """
double_all | doubles every number of a list | [2 * n for n in x] | [n + 2 for n in x] | x * 2
total_of | adds up a list of numbers | sum(x) | sum(x[1:]) | len(x)
largest_of | returns the largest number of a list, or None if it is empty | max(x) if x else None | x[0] if x else None | max([0] + x)
count_even | counts the even numbers of a list | sum(n % 2 == 0 for n in x) | sum(n % 2 for n in x) | len(x) // 2
keep_positive | keeps the numbers of a list that are above zero | [n for n in x if n > 0] | [n for n in x if n >= 0] | [abs(n) for n in x]
reversed_list | returns a list in reverse order | x[::-1] | sorted(x) | x[1:] + x[:1]
without_doubles | removes repeated numbers of a list and keeps the order | list(dict.fromkeys(x)) | sorted(set(x)) | x[:-1]
squares_of | squares every number of a list | [n * n for n in x] | [n * 2 for n in x] | [n + n * n for n in x]
span_of | returns the largest minus the smallest number of a list, 0 if it is empty | max(x) - min(x) if x else 0 | x[0] - x[-1] if x else 0 | len(x)
sorted_down | sorts a list of numbers from large to small | sorted(x, reverse=True) | sorted(x) | x[::-1]
count_vowels | counts the letters a, e, i, o, u of a text in either case | sum(c in "aeiou" for c in x.lower()) | sum(c in "aeiou" for c in x) | len(x.split())
is_mirrored | says whether a text reads the same in both directions | x == x[::-1] | x == x.lower() | len(x) % 2 == 0
word_count | counts the words of a text | len(x.split()) | len(x.split(" ")) | len(x)
swap_case | swaps upper and lower case of a text | x.swapcase() | x.upper() | x.lower()
first_letter | returns the first character of a text, or an empty text | x[:1] | x[-1:] | x.strip()
trimmed | removes spaces at both ends of a text | x.strip() | x.replace(" ", "") | x.lstrip()
is_square | says whether a whole number is a perfect square | int(x ** 0.5 + 0.5) ** 2 == x | x % 2 == 1 | x > 3
digit_sum | adds up the digits of a whole number | sum(map(int, str(x))) | len(str(x)) | x % 10
divisors_of | lists the divisors of a whole number from small to large | [d for d in range(1, x + 1) if x % d == 0] | [d for d in range(1, x) if x % d == 0] | [1, x]
is_even | says whether a whole number is even | x % 2 == 0 | x % 2 == 1 | x > 5
"""


@dataclass(frozen=True)
class Planted:
    name: str
    what: str
    right: str
    wrong: tuple[str, str]

    @property
    def instruction(self) -> str:
        return f"Implement a Python function {self.name}(x) that {self.what}."

    @property
    def inputs(self) -> list[Any]:
        values: list[Any] = (
            TEXTS if "text" in self.what else NUMBERS if "list of" in self.what or " a list" in self.what else WHOLE
        )
        return WHOLE if "whole number" in self.what else values

    def result(self, given: Any, expression: str = "") -> Any:
        return eval(expression or self.right, {"x": given})

    def solution(self, kind: str, style: int) -> str:
        """Return an answer. kind: 'right', 'wrong', or 'other' (wrong in another way)."""
        body = {"right": self.right, "wrong": self.wrong[0], "other": self.wrong[1]}[kind]
        code = [
            f"    return {body}",
            f"    result = {body}\n    return result",
            f"    # Version {style}.\n    return ({body})",
        ]
        return f"Here it is:\n\n```python\ndef {self.name}(x):\n{code[style % 3]}\n```"

    def tests(self, draw: random.Random, wrong_share: float, expression: str = "") -> str:
        """Return a set of tests, a share of them with a wrong result."""
        lines = []
        for given in draw.sample(self.inputs, 6):
            result = self.result(given, expression)
            if draw.random() < wrong_share:
                result = draw.choice([other for each in self.inputs if (other := self.result(each)) != result])
            lines.append(f"assert {self.name}({given!r}) == {result!r}")
        return "```python\n" + "\n".join(lines) + "\n```"


PLANTED = [
    Planted(name, what, right, (wrong, other))
    for name, what, right, wrong, other in (
        [part.strip() for part in row.split(" | ")] for row in _ROWS.strip().split("\n")
    )
]
BY_NAME = {each.name: each for each in PLANTED}


def written(prompt: str, is_proposal: bool, seed: int) -> str:
    """Return what the server's model writes: four planted tasks, a set of tests, or a solution, right in 7 of 10 cases."""
    draw = random.Random(f"{prompt}:{seed}")
    if is_proposal:
        return "\n\n".join(
            f"### {n}\nInstruction: {task.instruction} This is number {draw.randrange(10**6)}.\nInput: <none>\nOutput: {task.solution('right', 0)}"
            for n, task in enumerate(draw.sample(PLANTED, 8), 4)
        )
    task = next(each for name, each in BY_NAME.items() if f"{name}(" in prompt)
    if "Write eight tests" in prompt:
        return task.tests(draw, 0.3)
    return task.solution(draw.choices(["right", "wrong", "other"], [7, 2, 1])[0], draw.randrange(3))


@contextlib.contextmanager
def model_of_functions() -> Iterator[tuple[str, Counter[str]]]:
    """Run the server; yield its address, and how often each text was asked for, with its seed."""
    asked: Counter[str] = Counter()

    def counted(prompt: str, body: dict[str, Any]) -> str:
        seed = body.get("seed", 0)
        asked[f"{seed}:{prompt}"] += 1
        return written(prompt, len(body["messages"]) > 1, seed)

    with chat_server(counted) as address:
        yield address, asked
