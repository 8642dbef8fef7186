"""A teacher without a model, for tests and rehearsals: deterministic answers from a small grammar.

The answers are varied and meaningless, and well-formed but for one in eight answers to a task. The same sample of the
same prompt is always the same. A change of the grammar or of the order of random draws changes the rows of every fake
run.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from typing import Any

from ...core.prompts import Asking, Completion, Prompt, Usage
from .conforming import conforming

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
    "介绍 比较 概括 列出 解释 改写 起草 评价 设计 说明 归类".split(),
    "港口 图书馆 果园 彗星 菜谱 铁路 合同 冰川 市场 花园 桥梁 博物馆".split(),
)


# The fields of the built-in strategies' schemas.
_FIELDS = frozenset(("instruction", "input", "output", "label"))


class FakeTeacher:
    """Answers any prompt of the built-in strategies, and any JSON schema with values that conform to the schema.

    Args:
        latency_s: Seconds before each answer.
        repeat: Share of proposals that repeat one fixed task.
        structured: Whether to follow JSON schemas.
    """

    model = "fake"

    def __init__(self, *, latency_s: float = 0.0, repeat: float = 0.0, structured: bool = True) -> None:
        self.asking = Asking()
        self._latency_s = latency_s
        self._repeat = repeat
        self._structured = structured

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the grammar's answer to `prompt`, counting four bytes per token, but never more than the limit."""
        if self._latency_s:
            import asyncio

            await asyncio.sleep(self._latency_s)
        schema = prompt.schema if self._structured else None
        text = fake_answer(prompt.text, schema, self._repeat, prompt.sample)
        usage = Usage(count_tokens(prompt.text), count_tokens(text, prompt.sampling.max_tokens))
        return Completion(text, usage=usage, model=self.model)


def count_tokens(text: str, limit: int | None = None) -> int:
    """Count four bytes per token, but not more than the limit: answers aren't cut off, and no cap would hold."""
    count = len(text.encode()) // 4 + 1
    return count if limit is None else min(count, limit)


def fake_answer(prompt: str, schema: Any = None, repeat: float = 0.0, sample: int = 0) -> str:
    """Return the grammar's answer to the text of a prompt.

    Args:
        prompt: The joined texts of the messages.
        schema: The JSON schema of the answer, or None for plain text.
        repeat: Share of proposals that repeat one fixed task.
        sample: The number of the sample, or the seed of the request.
    """
    # The prompt is the seed, so equal prompts get equal answers; each further sample has a seed of its own.
    seed = f"{prompt}\0{sample}" if sample else prompt
    draw = random.Random(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest())
    # A judge's prompt shows the format of the marks: {"reason": "...", "clarity": 1, "correctness": 1, ...}
    if '"correctness": 1' in prompt:
        marks = {name: draw.choice((2, 3, 4, 5, 5)) for name in ("clarity", "correctness", "helpfulness", "safety")}
        return json.dumps({"reason": _sentence(draw, prompt), **marks}, ensure_ascii=False)
    # {"reason": "...", "better": "A"} ... '===== answer A\n...\n===== answer B\n...\n=====': two answers to compare
    pair = re.search(r'"better": "A"(?s:.*)\n=====.* A\n((?s:.*))\n=====.* B\n((?s:.*))\n=====\s*$', prompt)
    if pair:
        better = _compare(draw, pair[1], pair[2])
        return json.dumps({"reason": _sentence(draw, prompt), "better": better}, ensure_ascii=False)
    if schema:
        return _json_answer(str(schema.get("title", "")), schema, draw, prompt, repeat)
    # 'Task: Sort ...\nClassification:' (completions) or '...\nClassification?' (chat): answer yes or no by the verb.
    if re.search(r"(?:Classification|是否分类)[:：]\s*$|\nClassification\?\s*$|\n是分类任务吗？\s*$", prompt):
        sorts = re.findall(r"^(?:Task: |任务：)(?:Classify|Sort|请归类)?", prompt, re.MULTILINE)[-1:]
        is_one = bool(sorts) and not sorts[0].endswith((" ", "："))
        return (" 是" if is_one else " 否") if _is_zh(prompt) else (" Yes" if is_one else " No")
    # '...\n### 4\nInstruction:' or '...\nTask 9:': a completions prompt that stops inside the first new item.
    first = re.search(r"\n(?:###|Task|任务)\s*(\d+)\s*[:：]?\s*(?:Instruction[:：]|指令[:：])?\s*$", prompt)
    if first:
        return _continuation(int(first[1]), draw, prompt, repeat)
    # '... numbered from 9 to 16.': a chat prompt for new tasks.
    numbers = re.search(r"(?:from |从)(\d+)(?: to |到)(\d+)[.。]\s*$", prompt)
    if numbers:
        start, stop = int(numbers[1]), int(numbers[2]) + 1
        block = _in_blocks(prompt)
        return "\n".join(_item(n, draw, prompt, repeat, block) for n in range(start, min(stop, start + 40)))
    # '...\n1. follow up: ...\n2. refer back: ...\n\nWrite the notes ... with the same numbers.': a plan for a dialogue;
    # a completions prompt ends in '\n1.'.
    plan = re.search(r"\n((?:\d+\. .*\n)+)\n(?:.*(?:same numbers|相同的编号).*|.*\n(1\.))\s*$", prompt)
    if plan:
        notes = "".join(f"{n + 1}. {_question(draw, prompt)}\n" for n in range(plan[1].count("\n")))
        return notes.removeprefix(plan[2] or "")
    # '... write [END] and nothing else ...', or '...\nUser:' (completions): the user's next message in a dialogue.
    if "[END]" in prompt or re.search(r"\n(?:User:|用户：)\s*$", prompt):
        return "[END]" if draw.random() < 1 / 6 else _question(draw, prompt)
    # Examples with 'Label: ' or 'Output: ' are a prompt for instances.
    if re.search(r"^(?:Label: |标签：)", prompt, re.MULTILINE):
        return _label_first_examples(draw, prompt)
    if re.search(r"^(?:Output: |输出：)", prompt, re.MULTILINE):
        return _input_first_example(draw, prompt)
    # '... as a numbered list ...': the words of a user's own strategy that asks for new tasks.
    if re.search(r"numbered list|编号列表", prompt[-500:]):
        return "\n".join(_item(n, draw, prompt, repeat, False) for n in range(1, 9))
    # Anything else is a task.
    return _answer(draw, prompt)


def _continuation(start: int, draw: random.Random, prompt: str, repeat: float) -> str:
    """Continue a completions prompt with eight items, the first without its opening.

    Args:
        start: The number of the first item.
        draw: Random choices.
        prompt: The text of the prompt.
        repeat: Share of proposals that repeat one fixed task.
    """
    # ' Plan ...\nInput: ...\nOutput: ...\n\n### 5\nInstruction: ...'
    if _in_blocks(prompt):
        text = "\n".join(_item(n, draw, prompt, repeat, True) for n in range(start, start + 8))
        return " " + text.partition(":" if not _is_zh(prompt) else "：")[2].lstrip()
    # 'Plan ...\nTask 10: Write ...'
    opening = "任务{}：" if _is_zh(prompt) else "Task {}: "
    lines = [opening.format(n) + _instruction(draw, prompt, repeat) for n in range(start, start + 8)]
    return lines[0].removeprefix(opening.format(start)) + "\n" + "\n".join(lines[1:])


def _label_first_examples(draw: random.Random, prompt: str) -> str:
    """Write two examples, label first; a completions prompt already ends in 'Example 1'."""
    example, label, given = ("示例", "标签：", "输入：") if _is_zh(prompt) else ("Example ", "Label: ", "Input: ")
    text = "" if prompt.endswith(f"{example}1\n") else f"{example}1\n"
    one, two = draw.sample(draw.choice(_LABELS), 2)
    text += f"{label}{one}\n{given}{_sentence(draw, prompt)}\n{example}2\n"
    return text + f"{label}{two}\n{given}{_sentence(draw, prompt)}\n"


def _input_first_example(draw: random.Random, prompt: str) -> str:
    """Write an output alone, or an example with an input."""
    example, given, output = ("示例1", "输入：", "输出：") if _is_zh(prompt) else ("Example 1", "Input: ", "Output: ")
    opening = "" if draw.random() < 0.5 else f"{example}\n{given}{_sentence(draw, prompt)}\n"
    return f"{opening}{output}{_sentence(draw, prompt)}\n"


def _answer(draw: random.Random, prompt: str) -> str:
    """Answer a task in one to three sentences; refuse, or stop too early, in one of eight answers."""
    is_zh = _is_zh(prompt)
    text = ("" if is_zh else " ").join(_sentence(draw, prompt) for _ in range(draw.randint(1, 3)))
    if draw.random() >= 1 / 8:
        return text
    if draw.random() < 0.5:
        return "对不起，我无法回答这个问题。" if is_zh else "I'm sorry, but I can't help with that."
    return text[:-1] + ("，而且港口的花园和" if is_zh else ", and so does the")


def _compare(draw: random.Random, one: str, other: str) -> str:
    """Return which of two texts is better: a property of the texts, but the first in one of eight comparisons."""
    first, second = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] // 32 for text in (one, other))
    if draw.random() < 1 / 8:
        return "A"
    return "tie" if first == second else "A" if first > second else "B"


def _question(draw: random.Random, prompt: str) -> str:
    """Write what a user asks next."""
    if _is_zh(prompt):
        return f"{draw.choice(_ZH[1])}和第{draw.randrange(1000)}号{draw.choice(_ZH[1])}有什么关系？"
    one, two = draw.sample(_SUBJECTS, 2)
    return f"How does the {one} compare with {two} number {draw.randrange(1000)}, {draw.choice(_MANNERS)}?"


def _in_blocks(prompt: str) -> bool:
    """Return whether the prompt shows complete tasks below '### 1'."""
    return re.search(r"^### \d+$", prompt, re.MULTILINE) is not None


def _item(number: int, draw: random.Random, prompt: str, repeat: float, block: bool) -> str:
    instruction = _instruction(draw, prompt, repeat)
    if not block:
        return f"{number}. {instruction}"
    words = ("指令：", "输入：", "输出：") if _is_zh(prompt) else ("Instruction: ", "Input: ", "Output: ")
    return (
        f"### {number}\n{words[0]}{instruction}\n{words[1]}{_material(draw, prompt)}\n"
        f"{words[2]}{_sentence(draw, prompt)}\n"
    )


def _json_answer(title: str, schema: Any, draw: random.Random, prompt: str, repeat: float) -> str:
    """Answer a schema of a built-in strategy with tasks, and any other schema with a value that conforms to it.

    Args:
        title: The schema's title: 'tasks', 'instructions', or 'instances' in the built-in strategies.
        schema: The JSON schema.
        draw: Random choices.
        prompt: The text of the prompt.
        repeat: Share of proposals that repeat one fixed task.
    """
    item = schema.get("properties", {}).get(title, {}).get("items", {})
    keys = list(item.get("properties", {}))
    # A schema of a user's own strategy.
    if title not in ("tasks", "instructions", "instances") or not _FIELDS.issuperset(keys):
        value = conforming(schema, draw, lambda: _sentence(draw, prompt))
        return json.dumps(value, ensure_ascii=False)
    # {"tasks": [{"instruction": ..., "input": ..., "output": ...}]} or {"instructions": ["..."]}
    fields: dict[str, Callable[[], str]] = {
        "instruction": lambda: _instruction(draw, prompt, repeat),
        "input": lambda: _sentence(draw, prompt) if "label" in keys or draw.random() < 0.5 else "",
        "label": lambda: draw.choice(_LABELS[0]),
    }
    found: list[Any] = []
    for _ in range(8 if title != "instances" else 1 + ("label" in keys)):
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
    """Return whether the wording is Chinese; the demonstrations further down may be in any language."""
    return re.search(r"[\u4e00-\u9fff]", prompt[:60]) is not None
