"""Tasks for Python functions: a chain of operations on data, with inputs for which nearly right functions fail."""

from __future__ import annotations

import itertools
import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Any

from ...core.records import GroundTruth
from ...core.shipped import shipped_yaml
from .task import Task

MAX_PARTS = 4
"""The most operations of a function, and the most classes of a pattern."""
_MOST_CHARACTERS = 1000
"""A result that is longer as JSON makes no good task."""
_LARGE = re.compile(r"\d{16}")
_INPUTS, _FOR_VARIANTS, _CANDIDATES = 24, 8, 44
# What the expressions in operations.yaml may use, and where a solution imports it from.
_NAMES: dict[str, object] = {
    **{name: getattr(itertools, name) for name in ("accumulate", "combinations", "groupby", "pairwise", "takewhile")},
    "Counter": Counter,
    "date": date,
    "timedelta": timedelta,
    "math": math,
    "statistics": statistics,
}
_MODULES = {"Counter": "collections", "date": "datetime", "timedelta": "datetime"}
_WORDS = (
    *("apple", "Banana", "kiwi", "level", "Level", "zoo", "a", "Oslo", "lemon", "radar", "eel", "idea", "queue", "try"),
    *("naïve", "Émile", "日本", "a b", "", "42", "noon", "blue-green", "Anna", "otter", "banana", "river", "bee"),
    *("LIMA", "Rio", "Nuuk", "EDEN"),
)
_TEXTS = (
    *("", "a", " ", "Level", "noon", "aaabbc", "The quick brown fox", "tel. 555-0199, ext. 7", "a,b,,c", "naïve café"),
    *("日本語 and English", "  two  spaces ", "Mississippi", "2024: 12 eggs, 3 pans", "AbBa", "x,y"),
)
_PEOPLE, _CITIES = ("Ann", "Bob", "Chen", "Dora", "Émile", "ann"), ("Oslo", "Lima", "Kyoto", "Bern")


@dataclass(frozen=True, slots=True)
class Operation:
    """A step of a task.

    name: one token of the task's meaning. takes, gives: types in code_wording.yaml. words: by language. code: an
    expression in `x`. parameters: the values of each parameter that words and code name.
    """

    name: str
    takes: str
    gives: str
    words: Mapping[str, str]
    code: str
    parameters: Mapping[str, Any]

    def worded(self, language: str) -> str:
        """Return the step in words."""
        return self.words[language].format(**self.parameters)

    @property
    def expression(self) -> str:
        """The reference, with its parameters."""
        return self.code.format(**self.parameters)

    @property
    def token(self) -> str:
        """The name with the parameters: 'multiples3'; a sign as its code, as tokens have only letters and digits."""
        values = "".join(map(str, self.parameters.values()))
        return self.name + "".join(char if char.isalnum() else f"{ord(char):x}" for char in values).lower()


@cache
def operations() -> Mapping[str, Sequence[Operation]]:
    """Return all operations by the type that they take; their parameters are the lists to choose from."""
    found: dict[str, list[Operation]] = {}
    for types, group in shipped_yaml(__package__, "operations.yaml").items():
        takes, _, gives = types.partition(" to ")
        for name, (en, zh, code, *parameters) in group.items():
            words = {"en": en, "zh": zh}
            found.setdefault(takes, []).append(Operation(name, takes, gives, words, code, (*parameters, {})[0]))
    return found


@cache
def code_wording() -> Any:
    """Return the words of tasks about code."""
    return shipped_yaml(__package__, "code_wording.yaml")


def draw_wording(kind: str, language: str, random: Random, without: str | None = None) -> tuple[str, str]:
    """Draw a wording. Returns the form of answer that it asks for, as the verifier 'code' knows it, and the wording.

    without: a placeholder that the wording must not have.
    """
    forms = code_wording()[kind][language].items()
    every = [(form, each) for form, wordings in forms for each in wordings if without is None or without not in each]
    return random.choice(every)


def draw_python(random: Random, language: str, max_parts: int = MAX_PARTS) -> Task:
    """Draw a task for a Python function."""
    while True:
        chain = _draw_chain(random, max_parts)
        cases = _cases(chain, random)
        if cases is not None:
            return _worded(chain, cases, random, language)


def _draw_chain(random: Random, max_parts: int) -> list[Operation]:
    """Draw two to `max_parts` operations, each of which takes what the one before it returns."""
    known = operations()
    [given] = random.choices(["ints", "words", "rows", "text", "dates", "number"], [5, 4, 3, 2, 2, 1])
    length = random.choice([each for each in (2, 3, 3, 4) if each <= max_parts])
    chain: list[Operation] = []
    while len(chain) < length and given in known:
        is_last = len(chain) == length - 1
        # An operation that ends a chain, such as a sum, is as likely as all others together in its last place only.
        able = [each for each in known[given] if each.name not in {op.name for op in chain}]
        # How many there are says nothing about what they were turned into.
        if chain and chain[-1].takes != chain[-1].gives:
            able = [each for each in able if each.code != "len(x)"]
        ending, going_on = ([each for each in able if (each.gives in known) != ends] for ends in (True, False))
        drawn = random.choice(ending if is_last and ending and random.random() < 0.7 else going_on)
        parameters = {key: random.choice(values) for key, values in drawn.parameters.items()}
        chain.append(replace(drawn, parameters=parameters))
        given = drawn.gives
    return chain


@cache
def _compiled(expression: str) -> Callable[[Any], Any]:
    found: Callable[[Any], Any] = eval(f"lambda x: {expression}", dict(_NAMES))  # noqa: S307  (of operations.yaml)
    return found


def reference(chain: Sequence[Operation]) -> Callable[[Any], Any]:
    """Return the function that a chain of operations describes."""
    steps = [_compiled(each.expression) for each in chain]

    def apply(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return apply


def _cases(chain: Sequence[Operation], random: Random) -> list[dict[str, Any]] | None:
    """Choose inputs, with the results of the reference. None if a step changes nothing, or results hardly differ."""
    apply, inputs = reference(chain), list(inputs_of(chain, random))
    results = [_as_json(apply(each)) for each in inputs]
    count = Counter(results).most_common()
    is_varied = count[-1][1] > 3 if chain[-1].gives == "bool" and len(count) == 2 else len(count) > 5
    if not is_varied or any(len(each) > _MOST_CHARACTERS or _LARGE.search(each) for each in results):
        return None
    # For each nearly right function, an input that tells it from the reference. Without a step, there must be one.
    chosen = dict.fromkeys(range(_INPUTS - _FOR_VARIANTS))
    for variant, is_without_step in _nearly(chain):
        nearly, rest = reference(variant), (n for n in range(len(inputs)) if n not in chosen)
        telling = next((n for n in (*chosen, *rest) if _as_json(nearly(inputs[n])) != results[n]), None)
        if telling is not None:
            chosen[telling] = None
        elif is_without_step:
            return None
    for number in range(_INPUTS - _FOR_VARIANTS, len(inputs)):
        if len(chosen) < _INPUTS:
            chosen[number] = None
    return [{"input": [inputs[n]], "result": json.loads(results[n])} for n in chosen]


def _nearly(chain: Sequence[Operation]) -> Iterator[tuple[list[Operation], bool]]:
    """Yield nearly right chains, and for each whether a step is missing.

    They lack a step, have two swapped or another number, or don't tell upper from lower case.
    """
    for at, step in enumerate(chain):
        before, after = list(chain[:at]), list(chain[at + 1 :])
        if step.takes == step.gives:
            yield before + after, True
            if after and after[0].takes == after[0].gives:
                yield [*before, after[0], step, *after[1:]], False
        if " in w]" in step.code:  # whether a word has a letter
            yield [*before, replace(step, code=step.code.replace(" in w]", " in w.lower()]")), *after], False
        for key, value in step.parameters.items():
            if isinstance(value, int):
                for other in (value - 1, value + 1):
                    if other or "%" not in step.code:
                        yield [*before, replace(step, parameters={**step.parameters, key: other}), *after], False


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def inputs_of(chain: Sequence[Operation], random: Random) -> Iterator[Any]:
    """Yield inputs of the type that a chain takes: first the edges, then random ones about its numbers."""
    numbers = [value for each in chain for value in each.parameters.values() if isinstance(value, int)]
    near = [0, 1, -1, *(number + by for number in numbers for by in (-1, 0, 1))]

    def number() -> int:
        return random.choice(near) if random.random() < 0.3 else random.randint(-12, 25)

    def day() -> str:
        days = random.choice((0, 58, 364, 365, 424, random.randrange(730)))
        return (date(2023, 1, 1) + timedelta(days=days)).isoformat()

    def several(one: Callable[[], Any]) -> list[Any]:
        drawn = [one() for _ in range(random.choice((2, 3, 5, 8, 12, 15)))]
        # Duplicates, and the first element again at the end.
        return drawn + random.choices(drawn, k=random.randrange(3)) if random.random() < 0.7 else [*drawn, *drawn[:2]]

    kind = chain[0].takes
    if kind == "number":
        yield from dict.fromkeys([0, 1, 2, 3, 4, 6, 7, 9, 10, 12, 16, 25, 30, 49, 60, 97, 99, 100, *range(11, 36)])
        return
    one: Callable[[], Any] = {
        "ints": number,
        "words": lambda: random.choice(_WORDS),
        "text": lambda: " ".join(random.sample(_TEXTS + _WORDS, 2)),
        "dates": day,
        "rows": lambda: {"name": random.choice(_PEOPLE), "city": random.choice(_CITIES), "score": abs(number())},
    }[kind]
    if kind == "text":
        yield from random.sample(_TEXTS, len(_TEXTS))
        for _ in range(_CANDIDATES - len(_TEXTS)):
            yield one()
        return
    first = one()
    yield from ([], [first], [first, first], [first, first, first])
    if kind == "ints":
        yield from ([0], [-3, -1, -2], sorted(several(one)), sorted(several(one), reverse=True))
    for _ in range(_CANDIDATES - 8):
        yield several(one)


def _worded(chain: Sequence[Operation], cases: list[dict[str, Any]], random: Random, language: str) -> Task:
    wording = code_wording()
    types, joiners = wording["types"], wording["joiners"][language]
    argument, hint, *given = types[chain[0].takes]
    name, returned = random.choice(wording["functions"]), types[chain[-1].gives][1]
    steps = [each.worded(language) for each in chain]
    if chain[-1].gives in operations():  # the last step isn't worded as a return value
        steps.append(joiners["return"])
    head = f"def {name}({argument}: {hint}) -> {returned}:"
    lines = [f"{step[0].upper()}{step[1:]}{joiners['end']}" for step in steps]
    last = joiners["last" if len(steps) > 2 else "second"]
    # A step with a semicolon would be hard to tell from the next one within a sentence.
    has_parts = any(mark in step for step in steps for mark in ";；")
    form, template = draw_wording("python", language, random, "{sentence}" if has_parts else None)
    instruction = template.format(
        signature=head.removeprefix("def ").removesuffix(":"),
        argument=argument,
        given=given[("en", "zh").index(language)],
        head=head,
        numbered="\n".join(joiners["number"].format(n=n) + line for n, line in enumerate(lines, 1)),
        bulleted="\n".join(f"- {line}" for line in lines),
        sentence=joiners["first"] + joiners["next"].join(steps[:-1]) + last + steps[-1],
    )
    expected = {"language": "python", "only": form, "function": name, "cases": cases}
    truth = GroundTruth("code", json.dumps(expected, ensure_ascii=False))
    return Task(instruction, "", truth, " ".join(each.token for each in chain), _solution(head, argument, chain))


def _solution(head: str, argument: str, chain: Sequence[Operation]) -> str:
    # The expressions call their operand x. In a solution, each step gives a new value to the argument itself.
    *steps, last = (re.sub(r"\bx\b", argument, each.expression) for each in chain)
    code = "\n".join([*(f"    {argument} = {step}" for step in steps), f"    return {last}"])
    used = [name for name in _NAMES if f"{name}(" in code or f"{name}." in code]
    # 'math' is a module; everything else is imported from one.
    imports = [
        f"import {name}" if name in ("math", "statistics") else f"from {_MODULES.get(name, 'itertools')} import {name}"
        for name in used
    ]
    top = "\n".join(imports) + "\n\n\n" if imports else ""
    return f"```python\n{top}{head}\n{code}\n```"
