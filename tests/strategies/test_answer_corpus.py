"""No character of a task is lost without a verdict: hand-made answers in every style, and what is read of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Asking, Completion
from selfinstruct.core.tasks import Material
from selfinstruct.strategies import build_strategy
from selfinstruct.strategies.protocol import Strategy
from selfinstruct.strategies.reading.lines import WORDS

FOLDER = Path(__file__).parent
ADVERSARIAL: list[dict[str, Any]] = yaml.safe_load((FOLDER / "adversarial.yaml").read_text(encoding="utf-8"))


def build(name: str, language: str = "en", endpoint: str = "chat") -> Strategy:
    config = RunConfig.parse({"seeds": "x", "run_dir": "y", "strategy": name, "language": language})
    return build_strategy(config, Asking.over(endpoint))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ADVERSARIAL, ids=[case["name"] for case in ADVERSARIAL])
def test_content_that_looks_like_structure(case: dict[str, Any]) -> None:
    language = "zh" if "指令" in case["answer"] else "en"
    strategy = build("self_instruct" if case.get("list") else "alpaca", language)
    answer = Completion(case["answer"], finish_reason="length" if case.get("truncated") else "stop")
    found = strategy.parse(answer, Material())
    tasks = [[c.instruction, c.input, c.output] for c in found if c.error is None]
    assert tasks == [[*task, None, None][:3] for task in case["tasks"]]
    lost = [c.error or "" for c in found if c.error is not None]
    assert len(lost) == len(case.get("lost", [])), lost
    for error, begins in zip(lost, case.get("lost", []), strict=True):
        assert error.startswith(begins)


# --- every group of tasks in every style ------------------------------------------------------------

Task = list[str]
TASKS: dict[str, list[Task]] = yaml.safe_load((FOLDER / "tasks.yaml").read_text(encoding="utf-8"))
GROUPS = [(language, tasks[at : at + 3]) for language, tasks in TASKS.items() for at in range(0, len(tasks), 3)]
LABELS = {
    "en": ("Instruction", "Input", "Output", ": "),
    "zh": ("指令", "输入", "输出", "："),
    "de": ("Anweisung", "Eingabe", "Ausgabe", ": "),
    "fr": ("Consigne", "Entrée", "Sortie", "\u202f: "),
    "es": ("Instrucción", "Entrada", "Salida", ": "),
    "ja": ("指示", "入力", "出力", "："),
}
NOTHING = dict(zip(LABELS, ("<none>", "<none>", "<keine>", "<aucune>", "ninguna entrada", "入力なし"), strict=True))


def blocks(language: str, tasks: list[Task], shape: str, between: str = "\n\n", nothing: str | None = None) -> str:
    """Write tasks as labeled blocks; '{i}', '{x}' and '{o}' are the labels, '{n}' the number, and | a line's end."""
    *names, colon = LABELS[language]
    filled = []
    for number, (instruction, given, output) in enumerate(tasks, 4):
        lines = shape.replace(": ", colon).replace("|", "\n").format(n=number, **dict(zip("ixo", names, strict=True)))
        for mark, text in (
            ("@I", instruction),
            ("@X", given or (NOTHING[language] if nothing is None else nothing)),
            ("@O", output),
        ):
            lines = lines.replace(mark, text)
        filled.append(lines)
    return between.join(filled)


def indented(text: str, sign: str) -> str:
    return f"{sign}\n" + "\n".join("    " + line if line else "" for line in text.split("\n"))


def as_yaml(tasks: list[Task], sign: str = "|-") -> str:
    return "\n".join(
        f"- instruction: {json.dumps(i, ensure_ascii=False)}\n"
        f"  input: {indented(x, sign) if x else json.dumps(x)}\n  output: {indented(o, sign)}"
        for i, x, o in tasks
    )


def objects(tasks: list[Task]) -> list[dict[str, str]]:
    return [dict(zip(("instruction", "input", "output"), task, strict=True)) for task in tasks]


def rows(tasks: list[Task]) -> list[str]:
    return [json.dumps(each, ensure_ascii=False) for each in objects(tasks)]


PLAIN = "### {n}|{i}: @I|{x}: @X|{o}: @O"
ANSWERS: dict[str, Callable[[str, list[Task]], str]] = {
    "as asked": lambda lang, t: blocks(lang, t, PLAIN),
    "no blank lines": lambda lang, t: blocks(lang, t, PLAIN, "\n"),
    "no numbers": lambda lang, t: blocks(lang, t, "{i}: @I|{x}: @X|{o}: @O"),
    "rules between": lambda lang, t: blocks(lang, t, PLAIN, "\n\n***\n\n"),
    "rules between and behind": lambda lang, t: blocks(lang, t, PLAIN, "\n\n***\n\n") + "\n\n***\n",
    "hash signs between": lambda lang, t: blocks(lang, t, "{i}: @I|{x}: @X|{o}: @O", "\n###\n"),
    "bold labels": lambda lang, t: blocks(lang, t, "**Task {n}**||**{i}**: @I|**{x}**: @X|**{o}**: @O"),
    "bold labels with the colon": lambda lang, t: blocks(lang, t, "### {n}|**{i}:** @I|**{x}:** @X|**{o}:** @O"),
    "values below the labels": lambda lang, t: blocks(lang, t, "## {n}.|{i}: |@I|{x}: |@X|{o}: |@O"),
    "labels as headings": lambda lang, t: blocks(lang, t, "## Task {n}|### {i}|@I|### {x}|@X|### {o}|@O"),
    "bullets": lambda lang, t: blocks(lang, t, "{n}.|- {i}: @I|- {x}: @X|- {o}: @O"),
    "the number before the label": lambda lang, t: blocks(lang, t, "{n}. {i}: @I|{x}: @X|{o}: @O"),
    "the number before the instruction": lambda lang, t: blocks(lang, t, "{n}. @I|{x}: @X|{o}: @O"),
    "brackets": lambda lang, t: blocks(lang, t, "【{i}】@I|【{x}】@X|【{o}】@O"),
    "N/A": lambda lang, t: blocks(lang, t, PLAIN, nothing="N/A"),
    "an empty input": lambda lang, t: blocks(lang, t, PLAIN, nothing=""),
    "CRLF": lambda lang, t: blocks(lang, t, PLAIN).replace("\n", "\r\n"),
    "a fence around": lambda lang, t: f"```\n{blocks(lang, t, PLAIN)}\n```",
    "a preface and a fence": lambda lang, t: f"Sure:\n\n```markdown\n{blocks(lang, t, PLAIN)}\n```\n",
    "JSON": lambda lang, t: json.dumps({"tasks": objects(t)}, ensure_ascii=False),
    "JSON over many lines": lambda lang, t: json.dumps(objects(t), indent=2),
    "JSON lines": lambda lang, t: "\n".join(rows(t)),
    "JSON in a fence": lambda lang, t: f"Sure:\n```json\n{json.dumps({'tasks': objects(t)}, indent=1)}\n```",
    "JSON with comments and commas": lambda lang, t: f'{{"tasks": [\n// x\n{",".join(rows(t))},\n/* y */]}}',
    "JSON without its end": lambda lang, t: '{"tasks": [' + ", ".join(rows(t)),
    "several JSON objects": lambda lang, t: "\n\n".join(f'{{"tasks": [{row}]}}' for row in rows(t)),
    "a Python list": lambda lang, t: repr(objects(t)),
    "YAML": lambda lang, t: as_yaml(t),
    "YAML in a fence": lambda lang, t: f"```yaml\n{as_yaml(t, '|')}\n```",
}  # fmt: skip


def test_the_corpus_is_large_enough() -> None:
    assert len(ADVERSARIAL) >= 30
    assert len(ANSWERS) * len(GROUPS) + len(ADVERSARIAL) >= 300


@pytest.mark.parametrize("style", ANSWERS)
def test_every_group_of_tasks_is_read_back_exactly_in_every_style(style: str) -> None:
    for language, tasks in GROUPS:
        answer = ANSWERS[style](language, tasks)
        found = build("alpaca", language).parse(Completion(answer), Material())
        assert [[c.instruction, c.input, c.output] for c in found if c.error is None] == tasks, answer
        assert [c.error for c in found if c.error is not None] == (["left_out: Sure:"] if "Sure:" in answer else [])


LISTS = [
    "{n}. @",
    "{n}) @",
    "({n}) @",
    "Task {n}: @",
    "**Task {n}:** @",
    "{task} {n}: @",
    "- @",
    "**{n}. @**",
    "#{n}: @",
    '{n}. "@"',
]
LISTS += ["{a}. @", "{f}．@", "{h}- @", "{r}. @", "**{r})** @", "第{n}题：@", "{c} @"]


@pytest.mark.parametrize("style", LISTS)
def test_every_group_of_instructions_is_read_back_exactly_in_every_style(style: str) -> None:
    for language, tasks in GROUPS:
        for first in (1, 9):
            lines = []
            for number, task in enumerate(tasks, first):
                digits = {"f": "０", "a": "٠", "h": "०"}
                forms = {k: "".join(chr(ord(zero) + int(d)) for d in str(number)) for k, zero in digits.items()}
                roman = ["", *"I II III IV V VI VII VIII IX X XI XII".split()][number]
                lines.append(
                    style.format(
                        n=number, r=roman, task=WORDS["task"][-1 - number % 7], c=chr(0x245F + number), **forms
                    ).replace("@", task[0])
                )
            found = build("self_instruct", language).parse(Completion("\n".join(lines)), Material())
            assert [(c.instruction, c.error) for c in found] == [(task[0], None) for task in tasks], lines
