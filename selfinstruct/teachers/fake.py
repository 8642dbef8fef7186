"""A teacher that needs no model: deterministic answers from a small grammar, through the same protocol.

For tests, demonstrations of the machinery and rehearsals. What it writes is well-formed, varied and
worthless. The same prompt always gets the same answer.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from typing import Any

from ..schema import Asking, Completion, Prompt, Usage

_VERBS = (
    "Describe Compare Summarise List Explain Rewrite Translate Draft Outline Classify Estimate Plan Review Name Rank"
    " Simplify Improve Criticise Defend Illustrate Sketch Compose Invent Question Sort Paraphrase Correct Extend"
).split()
_SUBJECTS = (
    "harbour library orchard comet telescope recipe railway violin contract glacier market garden bridge museum"
    " festival volcano schedule bakery kitchen lighthouse letter meadow engine island castle budget theatre forest"
    " cathedral compass desert clinic workshop notebook harvest tunnel journal season windmill archive"
).split()
_MANNERS = (
    "in plain words|for a young reader|with two examples|as a short dialogue|from the view of a visitor|in three steps"
    "|without any jargon|as a formal letter|with its main risks|before the end of the year|for a busy manager"
    "|with a surprising ending|using one comparison|in exactly two sentences|for people who doubt it"
).split("|")
_LABELS = (("urgent", "routine"), ("true", "false"), ("formal", "casual", "neutral"))
_ZH = (
    "介绍 比较 概括 列出 解释 改写 起草 评价 设计 说明".split(),
    "港口 图书馆 果园 彗星 菜谱 铁路 合同 冰川 市场 花园 桥梁 博物馆".split(),
)


class FakeTeacher:
    """Answers any prompt of the built-in strategies.

    latency_s: seconds before each answer. repeat: share of proposals that only repeat one fixed task.
    """

    model = "fake"

    def __init__(self, *, latency_s: float = 0.0, repeat: float = 0.0, structured: bool = True) -> None:
        self.asking = Asking()
        self._latency_s = latency_s
        self._repeat = repeat
        self._structured = structured

    async def complete(self, prompt: Prompt) -> Completion:
        """The grammar's answer to `prompt`, with token counts of about a quarter of the bytes."""
        if self._latency_s:
            import asyncio

            await asyncio.sleep(self._latency_s)
        schema = prompt.schema if self._structured else None
        text = fake_answer(prompt.text, schema, self._repeat)
        usage = Usage(len(prompt.text.encode()) // 4 + 1, len(text.encode()) // 4 + 1)
        return Completion(text, usage=usage, model=self.model)


def fake_answer(prompt: str, schema: Any = None, repeat: float = 0.0) -> str:
    """What the grammar answers to a prompt's text, as JSON when a schema is given."""
    draw = random.Random(hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest())
    if schema:
        return _as_json(str(schema.get("title", "")), schema, draw, prompt, repeat)
    if re.search(r"(Classification|是否分类|是分类吗)[:：]?\s*$|Yes or No only\.?\s*$|“?是”?或“?否”?。?\s*$", prompt):
        return " 否" if _is_zh(prompt) else " No"
    first = re.search(r"\n(?:###|Task|任务)\s*(\d+)\s*[:：]?\s*(?:Instruction[:：]|指令[:：])?\s*$", prompt)
    if first:  # a completions prompt that stops inside the first new item
        return _continuation(int(first[1]), draw, prompt, repeat)
    numbers = re.search(r"(\d+)\D{1,12}(\d+)\D*$", prompt[-120:])
    if numbers:
        start, stop = int(numbers[1]), int(numbers[2]) + 1
        block = "###" in prompt
        return "\n".join(_item(n, draw, prompt, repeat, block) for n in range(start, min(stop, start + 40)))
    mark = "输出：" if _is_zh(prompt) else "Output: "
    return mark + _sentence(draw, prompt)


def _continuation(start: int, draw: random.Random, prompt: str, repeat: float) -> str:
    if "###" in prompt:
        text = "\n".join(_item(n, draw, prompt, repeat, True) for n in range(start, start + 8))
        return " " + text.partition(":" if not _is_zh(prompt) else "：")[2].lstrip()
    word = "任务" if _is_zh(prompt) else "Task"
    lines = [f"{word} {n}: {_instruction(draw, prompt, repeat)}" for n in range(start, start + 8)]
    return lines[0].partition(": ")[2] + "\n" + "\n".join(lines[1:])


def _item(number: int, draw: random.Random, prompt: str, repeat: float, block: bool) -> str:
    instruction = _instruction(draw, prompt, repeat)
    if not block:
        return f"{number}. {instruction}"
    words = ("指令：", "输入：", "输出：") if _is_zh(prompt) else ("Instruction: ", "Input: ", "Output: ")
    return (
        f"### {number}\n{words[0]}{instruction}\n{words[1]}{_material(draw, prompt)}\n"
        f"{words[2]}{_sentence(draw, prompt)}\n"
    )


def _as_json(title: str, schema: Any, draw: random.Random, prompt: str, repeat: float) -> str:
    item = schema.get("properties", {}).get(title, {}).get("items", {})
    keys = list(item.get("properties", {}))
    fields: dict[str, Callable[[], str]] = {
        "instruction": lambda: _instruction(draw, prompt, repeat),
        "input": lambda: "" if draw.random() < 0.5 else _sentence(draw, prompt),
        "label": lambda: draw.choice(draw.choice(_LABELS)),
    }
    found: list[Any] = []
    for _ in range(8 if title != "instances" else 1):
        if keys:
            found.append({key: fields.get(key, lambda: _sentence(draw, prompt))() for key in keys})
        else:
            found.append(_instruction(draw, prompt, repeat))
    return json.dumps({title: found}, ensure_ascii=False)


def _instruction(draw: random.Random, prompt: str, repeat: float) -> str:
    if draw.random() < repeat:
        return "请说明为什么要重复同样的话。" if _is_zh(prompt) else "Say the same thing once more, please."
    if _is_zh(prompt):
        verb, subject = draw.choice(_ZH[0]), draw.choice(_ZH[1])
        return (
            f"请{verb}第{draw.randrange(1000)}号{subject}与{draw.choice(_ZH[1])}，不超过{draw.randrange(20, 300)}字。"
        )
    one, two = draw.sample(_SUBJECTS, 2)
    return (
        f"{draw.choice(_VERBS)} the {draw.choice(_MANNERS).split()[-1]} {one} number {draw.randrange(1000)} and its "
        f"{two} {draw.choice(_MANNERS)}."
    )


def _sentence(draw: random.Random, prompt: str) -> str:
    if _is_zh(prompt):
        return f"{draw.choice(_ZH[1])}离{draw.choice(_ZH[1])}有{draw.randrange(2, 900)}步。"
    one, two = draw.sample(_SUBJECTS, 2)
    return f"The {one} stands {draw.randrange(2, 900)} steps from the {two}, {draw.choice(_MANNERS)}."


def _material(draw: random.Random, prompt: str) -> str:
    if draw.random() < 0.5:
        return "<无>" if _is_zh(prompt) else "<none>"
    return _sentence(draw, prompt)


def _is_zh(prompt: str) -> bool:
    return re.search(r"[\u4e00-\u9fff]", prompt[-200:]) is not None
