"""Word problems: a story with numbers that the program draws, and an expression that it evaluates (`maths.yaml`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from random import Random
from typing import Any

from ...core.records import GroundTruth
from ...core.shipped import shipped_yaml
from ...verifiers.expressions import calculation, decimal, evaluate, holds, number_range
from .task import Task

_MOST_DRAWS = 2000
_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "zh": "星期一 星期二 星期三 星期四 星期五 星期六 星期日".split(),
}
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")


def draw(random: Random, language: str) -> Task:
    """Draw a word problem in 'en' or 'zh'.

    Raises:
        ValueError: There is no story in this language.
    """
    data = _data()
    names = [name for name, story in data["stories"].items() if language in story]
    if not names:
        raise ValueError(f"maths: no story in {language!r}")
    name = random.choice(names)
    story = data["stories"][name]
    numbers, answer = _numbers(story, random)
    words = _people(random, language) | _thing(story, random, language)
    instruction = _worded(random.choice(story[language]), words, numbers, language)
    final = random.choice(data["final"][language])
    instruction = f"{instruction}{'' if language == 'zh' else ' '}{final['text']}".rstrip()
    unit, marker = story.get("unit", {}).get(language), final.get("marker")
    expected = {"value": _formed(answer, story.get("form", "plain"), language)}
    expected |= {name: value for name, value in (("unit", unit), ("marker", marker)) if value}
    # The story and what was drawn, without constants, which would make all tasks of a story alike to novelty.
    meaning = " ".join([name.replace("_", ""), *(decimal(numbers[drawn]) for drawn in story["draw"])])
    truth = GroundTruth("maths", json.dumps(expected, ensure_ascii=False))
    says = marker or ("答案是" if language == "zh" else "The answer is")
    result = f"${expected['value']}" if unit == "$" else f"{expected['value']} {unit or ''}".rstrip()
    solution = "\n".join(
        [*calculation(story["answer"], numbers), f"{says} {result}" + ("。" if language == "zh" else ".")]
    )
    return Task(instruction, "", truth, meaning, solution)


def draw_calculated(random: Random, language: str) -> Task:
    """Draw a word problem whose solution shows the steps of the calculation."""
    return next(task for task in iter(lambda: draw(random, language), None) if " = " in task.solution)


@cache
def _data() -> Any:
    return shipped_yaml(__package__, "maths.yaml")


def _numbers(story: Mapping[str, Any], random: Random) -> tuple[dict[str, Fraction], Fraction]:
    """Draw the numbers of a story until its conditions hold; return them and the answer."""
    for _ in range(_MOST_DRAWS):
        values = {name: random.choice(number_range(str(spec))) for name, spec in story["draw"].items()}
        for name, expression in story.get("let", {}).items():
            values[name] = evaluate(expression, values)
        if not holds(story.get("require", ""), values):
            continue
        answer = evaluate(story["answer"], values)
        if "round" in story:  # half up, as people round prices
            step = 10 ** story["round"]
            return values, Fraction((answer * step + Fraction(1, 2)).__floor__(), step)
        if (answer * 10 ** story.get("places", 0)).denominator == 1:
            return values, answer
    raise AssertionError(f"no numbers for {story['answer']}")


def _people(random: Random, language: str) -> dict[str, str]:
    people = [person.split("/") for person in _data()["people"][language].split()]
    (name, they, their), (other, *_) = random.sample(people, 2)
    return {"name": name, "they": they, "They": they.capitalize(), "their": their, "other": other}


def _thing(story: Mapping[str, Any], random: Random, language: str) -> dict[str, str]:
    if "things" not in story:
        return {}
    thing = random.choice(_data()["things"][story["things"]][language])
    plural = thing + ("es" if thing.endswith(("sh", "ch")) else "s") if language == "en" else thing
    return {"thing": thing, "things": plural}


def _worded(text: str, words: Mapping[str, str], numbers: Mapping[str, Fraction], language: str) -> str:
    """Fill in a wording: {name} is a person, {n} a number, {start:clock} a time, {price:money} '4' or '4.50'."""

    def filled(place: re.Match[str]) -> str:
        return words.get(place[1]) or _formed(numbers[place[1]], place[2] or "plain", language)

    return _PLACE.sub(filled, text)


def _formed(number: Fraction, form: str, language: str) -> str:
    if form == "clock":
        return f"{int(number) // 60}:{int(number) % 60:02}"
    if form == "weekday":
        return _DAYS[language][int(number)]
    return f"{float(number):.2f}" if form == "money" and number.denominator > 1 else decimal(number)
