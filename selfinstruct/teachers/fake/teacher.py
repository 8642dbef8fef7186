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
from typing import Any, NamedTuple

from ...core.embeddings import written_vector
from ...core.prompts import Asking, Completion, Prompt, Usage
from ...core.shipped import shipped_yaml
from .about_texts import answer_about_text
from .conforming import conforming

_GRAMMAR: dict[str, Any] = shipped_yaml(__package__, "grammar.yaml")
_VERBS, _SUBJECTS = _GRAMMAR["verbs"].split(), _GRAMMAR["subjects"].split()
_ZH_VERBS, _ZH_SUBJECTS = _GRAMMAR["zh_verbs"].split(), _GRAMMAR["zh_subjects"].split()
_MANNERS: list[str] = _GRAMMAR["manners"]


class _Labels(NamedTuple):
    """What precedes the parts of a task in the prompts of a language, and what an empty input says."""

    instruction: str
    input: str
    output: str
    label: str
    example: str
    task: str
    none: str


_LABELS_OF = {language: _Labels(**words["labels"]) for language, words in _GRAMMAR["languages"].items()}
_INSTRUCTION, _, _OUTPUT, _LABEL, _, _TASK, _ = (
    "|".join(word.partition("{")[0].rstrip(" :：") for word in each) for each in zip(*_LABELS_OF.values(), strict=True)
)
_USER, _NEW_TASK, _ANALYSIS, _SAME_NUMBERS = (
    "|".join(words[cue] for words in _GRAMMAR["languages"].values() if cue in words)
    for cue in ("user", "new_task", "analysis", "same_numbers")
)
_YES_OR_NO: dict[str, list[str]] = {
    cue: answers for cue, *answers in (words["yes_or_no"] for words in _GRAMMAR["languages"].values())
}
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
        vector = fake_vector(prompt.text) if prompt.endpoint == "embeddings" else ""
        text = vector or _solution(prompt) or fake_answer(prompt.text, schema, self._repeat, prompt.sample)
        usage = Usage(count_tokens(prompt.text), count_tokens(text, prompt.sampling.max_tokens))
        return Completion(text, usage=usage, model=self.model)


def _solution(prompt: Prompt) -> str:
    """Return the right answer to a task that a program has drawn; '' for one in eight, and for any other prompt."""
    unit: Any = prompt.made_of.unit
    while isinstance(unit, str) and unit.startswith(("{", "[")):
        found = json.loads(unit)
        unit = found if isinstance(found, dict) else found[-1]  # a mix: the part's number and the part's own unit
    return unit.get("solution", "") if isinstance(unit, dict) and prompt.digest()[0] > "1" else ""


def fake_vector(text: str) -> str:
    """Return a vector of 32 numbers that follows from the text but says nothing about its meaning."""
    return written_vector([byte - 127.5 for byte in hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()])


def count_tokens(text: str, limit: int | None = None) -> int:
    """Count four bytes per token, but not more than the limit: answers aren't cut off, and no cap would hold."""
    count = len(text.encode()) // 4 + 1
    return count if limit is None else min(count, limit)


def fake_answer(prompt: str, schema: Any = None, repeat: float = 0.0, sample: int = 0) -> str:
    """Return the grammar's answer to the joined texts of a prompt's messages.

    schema: the JSON schema of the answer, or None for plain text. repeat: share of proposals that repeat one fixed
    task. sample: the number of the sample, or the seed of the request.
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
    # The examples say both, yes first.
    task, cue = prompt.rstrip().rpartition("\n")[::2]
    words = re.findall(rf"^{re.escape(cue)}\s*(\S+)$", prompt, re.MULTILINE) if cue[-1:] in ":：?？か" else []
    if len(words) > 8 and len(yes_no := list(dict.fromkeys(words))) == 2:
        is_one = re.match(r".*[:：]\s*(?:Classify|Sort|请归类)", task.rpartition("\n")[2]) is not None
        return f" {yes_no[not is_one]}"
    # '...\n### 4\nInstruction:' or '...\nTask 9:': a completions prompt that stops inside the first new item.
    first = re.search(rf"\n(?:###|{_TASK})\s*(\d+)\s*[:：]?\s*(?:(?:{_INSTRUCTION}) ?[:：])?\s*$", prompt)
    if first:
        return _continuation(int(first[1]), draw, prompt, repeat)
    # '... numbered from 9 to 16.': a chat prompt for new tasks.
    numbers = re.search(r"(?:from |从|von |de |は)(\d+)(?: to |到| bis | à | a |から)(\d+)(?:まで)?[.。]\s*$", prompt)
    if numbers:
        start, stop = int(numbers[1]), int(numbers[2]) + 1
        block = _in_blocks(prompt)
        return "\n".join(_item(n, draw, prompt, repeat, block) for n in range(start, min(stop, start + 40)))
    # '...\n1. follow up: ...\n2. refer back: ...\n\nWrite the notes ... with the same numbers.': a plan for a dialogue;
    # a completions prompt ends in '\n1.'.
    plan = re.search(rf"\n((?:\d+\. .*\n)+)\n(?:.*(?:{_SAME_NUMBERS}).*|.*\n(1\.))\s*$", prompt)
    if plan:
        notes = "".join(f"{n + 1}. {_question(draw, prompt)}\n" for n in range(plan[1].count("\n")))
        return notes.removeprefix(plan[2] or "")
    # '... write [END] and nothing else ...', or '...\nUser:' (completions): the user's next message in a dialogue.
    if "[END]" in prompt or re.search(rf"\n(?:{_USER}) ?[:：]\s*$", prompt):
        return "[END]" if draw.random() < 1 / 6 else _question(draw, prompt)
    # '... Yes or no:': a question about a task; one in eight is answered by no.
    if asked := re.search(rf"({'|'.join(_YES_OR_NO)}) ?[:：]\s*$", prompt):
        return _YES_OR_NO[asked[1]][draw.random() < 1 / 8]
    # '...\nNew task:', or '...\nAnalysis:' and rules that ask for a new task below it: one task, two sentences long.
    one = re.search(rf"\n(?:({_NEW_TASK})|{_ANALYSIS}) ?[:：]\s*$", prompt)
    if one:
        task = f"{_instruction(draw, prompt, repeat)} {_sentence(draw, prompt)}"
        mark = re.search(rf"^(?:{_NEW_TASK}) ?(?:：|: )", prompt, re.MULTILINE)
        return task if one[1] else f"{_sentence(draw, prompt)}\n\n{mark[0] if mark else 'New task: '}{task}"
    # '<|im_start|>user\n', '[INST] ': a chat template up to where the user speaks.
    if re.search(r"(?:\buser(?:<\|end_header_id\|>|\|>)?|\[INST\])\s*$", prompt):
        return _instruction(draw, prompt, repeat)
    # Examples with 'Label: ' or 'Output: ' are a prompt for instances.
    if re.search(rf"^(?:{_LABEL}) ?[:：]", prompt, re.MULTILINE):
        return _label_first_examples(draw, prompt)
    if re.search(rf"^(?:{_OUTPUT}) ?[:：]", prompt, re.MULTILINE):
        return _input_first_example(draw, prompt)
    # A fact to ask about, or a text to answer from.
    if about := answer_about_text(prompt):
        return about
    # '... as a numbered list ...': the words of a user's own strategy that asks for new tasks.
    if re.search(r"numbered list|编号列表", prompt[-500:]):
        return "\n".join(_item(n, draw, prompt, repeat, False) for n in range(1, 9))
    # Anything else is a task.
    return _answer(draw, prompt)


def _continuation(start: int, draw: random.Random, prompt: str, repeat: float) -> str:
    """Continue a completions prompt with eight items, from number `start`, the first without its opening."""
    # ' Plan ...\nInput: ...\nOutput: ...\n\n### 5\nInstruction: ...'
    if _in_blocks(prompt):
        text = "\n".join(_item(n, draw, prompt, repeat, True) for n in range(start, start + 8))
        return " " + text.partition(_labels(prompt).instruction)[2]
    # 'Plan ...\nTask 10: Write ...'
    opening = _labels(prompt).task
    lines = [opening.format(n) + _instruction(draw, prompt, repeat) for n in range(start, start + 8)]
    return lines[0].removeprefix(opening.format(start)) + "\n" + "\n".join(lines[1:])


def _label_first_examples(draw: random.Random, prompt: str) -> str:
    """Write two examples, label first; a completions prompt already ends in 'Example 1'."""
    of = _labels(prompt)
    text = "" if prompt.endswith(f"{of.example}1\n") else f"{of.example}1\n"
    one, two = draw.sample(draw.choice(_GRAMMAR["labels"]), 2)
    text += f"{of.label}{one}\n{of.input}{_sentence(draw, prompt)}\n{of.example}2\n"
    return text + f"{of.label}{two}\n{of.input}{_sentence(draw, prompt)}\n"


def _input_first_example(draw: random.Random, prompt: str) -> str:
    """Write an output alone, or an example with an input."""
    of = _labels(prompt)
    opening = "" if draw.random() < 0.5 else f"{of.example}1\n{of.input}{_sentence(draw, prompt)}\n"
    return f"{opening}{of.output}{_sentence(draw, prompt)}\n"


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
    if _is_zh(prompt):
        return f"{draw.choice(_ZH_SUBJECTS)}和第{draw.randrange(1000)}号{draw.choice(_ZH_SUBJECTS)}有什么关系？"
    one, two = draw.sample(_SUBJECTS, 2)
    return f"How does the {one} compare with {two} number {draw.randrange(1000)}, {draw.choice(_MANNERS)}?"


def _in_blocks(prompt: str) -> bool:
    """Return whether the prompt shows complete tasks below '### 1'."""
    return re.search(r"^### \d+$", prompt, re.MULTILINE) is not None


def _item(number: int, draw: random.Random, prompt: str, repeat: float, block: bool) -> str:
    instruction = _instruction(draw, prompt, repeat)
    if not block:
        return f"{number}. {instruction}"
    of = _labels(prompt)
    return (
        f"### {number}\n{of.instruction}{instruction}\n{of.input}{_material(draw, prompt)}\n"
        f"{of.output}{_sentence(draw, prompt)}\n"
    )


def _json_answer(title: str, schema: Any, draw: random.Random, prompt: str, repeat: float) -> str:
    """Answer a schema of a built-in strategy with tasks, and any other schema with a value that conforms to it."""
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
        "label": lambda: draw.choice(_GRAMMAR["labels"][0]),
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
        verb, subject, number = draw.choice(_ZH_VERBS), draw.choice(_ZH_SUBJECTS), draw.randrange(1000)
        return f"请{verb}第{number}号{subject}与{draw.choice(_ZH_SUBJECTS)}，不超过{draw.randrange(20, 300)}字。"
    one, two = draw.sample(_SUBJECTS, 2)
    return (
        f"{draw.choice(_VERBS)} the {draw.choice(_MANNERS).split()[-1]} {one} number {draw.randrange(1000)} and its "
        f"{two} {draw.choice(_MANNERS)}."
    )


def _sentence(draw: random.Random, prompt: str) -> str:
    if _is_zh(prompt):
        return f"{draw.choice(_ZH_SUBJECTS)}离{draw.choice(_ZH_SUBJECTS)}有{draw.randrange(2, 900)}步。"
    one, two = draw.sample(_SUBJECTS, 2)
    return f"The {one} stands {draw.randrange(2, 900)} steps from the {two}, {draw.choice(_MANNERS)}."


def _material(draw: random.Random, prompt: str) -> str:
    if draw.random() < 0.5:
        return _labels(prompt).none
    return _sentence(draw, prompt)


def _labels(prompt: str) -> _Labels:
    """Return the labels of the prompt's language, which are those in its examples."""
    if _is_zh(prompt):
        return _LABELS_OF["zh"]
    shown = (of for of in _LABELS_OF.values() if f"\n{of.output}" in prompt or f"\n{of.task.format(1)}" in prompt)
    return next(shown, _LABELS_OF["en"])


def _is_zh(prompt: str) -> bool:
    """Return whether the wording is Chinese; the demonstrations further down may be in any language."""
    return re.search(r"^[^\u3040-\u30ff]*[\u4e00-\u9fff][^\u3040-\u30ff]*$", prompt[:60]) is not None
