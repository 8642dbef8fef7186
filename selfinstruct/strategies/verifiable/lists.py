"""Lists: the members of a known set, or items that the task gives, chosen and ordered by a rule (`lists.yaml`)."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any

from ...core.records import GroundTruth
from ...core.shipped import shipped_yaml
from ...verifiers.lists import WRITERS
from .task import Task

_OF_GIVEN_ITEMS, _IN_A_CASE = 0.6, 0.25
"""The shares of tasks that give their items, and of English ones that ask for capital or lowercase letters."""


def draw(random: Random, language: str) -> Task:
    """Draw a task about a list in 'en' or 'zh'.

    Raises:
        ValueError: There is no set in this language.
    """
    data = _data()
    if language not in data["pools"]:
        raise ValueError(f"lists: no set in {language!r}")
    while True:
        drawn = (_given if random.random() < _OF_GIVEN_ITEMS else _of_set)(random, language)
        if drawn is not None:
            break
    request, items, count, meaning = drawn
    form = random.choice(list(data["forms"]))
    case = random.choice(list(data["cases"])) if language == "en" and random.random() < _IN_A_CASE else ""
    if case:
        items = [each.upper() if case == "upper" else each.lower() for each in items]
    manner = [random.choice(data["forms"][form][language]), *([data["cases"][case][language]] if case else [])]
    manner.append(random.choice(data["only"][language]))
    written = ("" if language == "zh" else " ").join(manner)
    head, _, given = request.partition("\n\n")
    instruction = f"{head}{'' if language == 'zh' else ' '}{written}"
    expected = {"form": form, "items": items, "exact": bool(case), **({"any": count} if count else {})}
    truth = GroundTruth("lists", json.dumps(expected, ensure_ascii=False))
    solution = WRITERS[form](items[:count] if count else items)
    return Task(instruction, given, truth, f"{meaning} {form} {case}".strip(), solution)


def _of_set(random: Random, language: str) -> tuple[str, list[str], int, str] | None:
    """Draw a rule about a set: the request, the items of the answer, how many of them if any will do, the meaning."""
    data = _data()
    key = random.choice([key for key, each in data["sets"].items() if language in each["name"]])
    chosen = data["sets"][key]
    members, is_ordered = list(chosen["items"][language]), chosen.get("order", True)
    rules = [rule for rule, words in data["of_sets"].items() if language in words]
    ordered = {"whole", "reversed", "between", "first", "last", "after", "without"}
    rule = random.choice([each for each in rules if (each in ordered) == is_ordered])
    low = random.randrange(len(members) - 2)
    high = random.randrange(low + 2, len(members))
    count = random.randint(2, min(5, len(members) - 1))
    letter = random.choice(members)[0].upper()
    begun = sorted(each for each in members if each[0].upper() == letter)
    after = members[low + 1 : low + 1 + count]
    results = {
        "whole": members,
        "reversed": members[::-1],
        "between": members[low : high + 1],
        "first": members[:count],
        "last": members[-count:],
        "after": after,
        "without": [each for each in members if each not in (members[low], members[high])],
        "alphabetical": sorted(members),
        "letter": begun,
        "any": members,
    }
    found = results[rule]
    if len(found) < 2 or (rule == "after" and len(after) < count):
        return None
    words = {"a": members[low], "b": members[high], "k": data["counts"][language][count], "l": letter}
    request = random.choice(data["of_sets"][rule][language]).format(name=chosen["name"][language], **words)
    used = [value for name, value in words.items() if f"{{{name}}}" in data["of_sets"][rule][language][0]]
    return request, found, count if rule == "any" else 0, " ".join([key, rule, *used])


def _given(random: Random, language: str) -> tuple[str, list[str], int, str] | None:
    """Draw a rule about items that the task gives, likewise."""
    data = _data()
    pool = random.choice(list(data["pools"][language].values()))
    items = random.sample(pool, random.randint(4, 7))
    rule = random.choice([rule for rule, words in data["of_items"].items() if language in words])
    if rule == "unique":
        items += random.sample(items, 2)
        random.shuffle(items)
    a, b = random.sample(items, 2)
    count = random.randint(2, len(items) - 2)
    letter = random.choice(items)[0].upper()
    if rule == "added":
        a = random.choice([each for each in pool if each not in items])
    results = {
        "alphabetical": sorted(items),
        "descending": sorted(items, reverse=True),
        "reversed": items[::-1],
        "unique": list(dict.fromkeys(items)),
        "letter": [each for each in items if each[0].upper() == letter],
        "without": [each for each in items if each not in (a, b)],
        "first": items[:count],
        "last": items[-count:],
        "swapped": [items[-1], *items[1:-1], items[0]],
        "moved": [*(each for each in items if each != a), a],
        "added": [a, *items],
    }
    found = results[rule]
    if found == items or len(found) < 2:
        return None
    words = {"a": a, "b": b, "k": data["counts"][language][count], "l": letter}
    request = random.choice(data["of_items"][rule][language]).format(**words)
    given = ("、" if language == "zh" else ", ").join(items)
    used = [value for name, value in words.items() if f"{{{name}}}" in data["of_items"][rule][language][0]]
    return f"{request}\n\n{given}", found, 0, " ".join([rule, *used, *items])


@cache
def _data() -> Any:
    return shipped_yaml(__package__, "lists.yaml")
