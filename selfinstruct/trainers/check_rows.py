"""Find the rules that a row breaks, given how the trainer reads the row. No trainer is named here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ..tables.chats import message_text
from .check_pairs import Defect, check_pair
from .contract import UNREADABLE, Contract, Reading
from .findings import Rule

# Characters of an unknown role to quote in a message.
_MAX_ROLE_CHARS = 40
_DOUBLE_BEGIN = Rule(
    "warning",
    "the trainer's tokenizer adds its begin mark a second time",
    "remove the mark from the text, or turn off the tokenizer's own mark",
)
_IGNORED = Rule("warning", "the trainer ignores it", "use a layout of messages")
_LOST_TURNS = Rule("error", "the trainer ignores it, and the row loses its earlier turns", "use a layout of messages")
_PART_OF_ANSWER = Rule("error", "the trainer takes it for a part of the answer", "begin with the assistant's message")
# Keys of a message that say whether to learn from it: Axolotl's, OpenAI's.
_TURN_KEYS = ("train", "training", "weight")
# What the column 'tools' may hold, as contracts name it.
_TOOLS: Mapping[str, type] = {"text": str, "list": list}
# Begin marks of common tokenizers: Llama 2, Llama 3, Gemma and others.
_BEGIN_MARKS = ("<s>", "<|begin_of_text|>", "<bos>", "<|startoftext|>", "<｜begin▁of▁sentence｜>")


def find_defects(values: Mapping[str, Any], reading: Reading, contract: Contract) -> Iterator[Defect]:
    """Yield the defects of a row, each code at most once."""
    seen = set()
    for defect in _check_row(values, reading, contract):
        if defect[0] not in seen:
            seen.add(defect[0])
            yield defect


def row_text(values: Mapping[str, Any], reading: Reading) -> str:
    """Return everything that the trainer reads of a row as one text, to count its tokens; of two answers the longer."""
    layout = reading.layout

    def text(name: str) -> str:
        value = values.get(name)
        if name == "history" and isinstance(value, list):
            return "\n".join(str(each) for turn in value if isinstance(turn, list) for each in turn)
        if isinstance(value, list | dict):
            messages = layout.messages(values, name)
            return "\n".join(filter(None, (message_text(m) for m in messages if isinstance(m, dict))))
        return value if isinstance(value, str) else ""

    longest = max((text(name) for name in layout.answers), key=len, default="")
    before = [text(name) for name in layout.optional + layout.prompt if values.get(name)]
    return "\n".join(filter(None, [*before, longest]))


def count_answers(values: Mapping[str, Any], reading: Reading) -> int:
    """Return the number of answers in the conversation of a row; of two alternatives, one counts."""
    layout, history = reading.layout, values.get("history")
    if not layout.answers:
        return 0
    if layout.kind == "text":
        return 1 + (len(history) if isinstance(history, list) else 0)
    messages = [message for name in (*layout.prompt, layout.answers[0]) for message in values.get(name) or ()]
    roles = [message.get(layout.keys[0]) for message in messages if isinstance(message, dict)]
    return layout.lone + sum(reading.roles.get(str(role)) == "assistant" for role in roles)


def turn_key_of(values: Mapping[str, Any], reading: Reading, contract: Contract) -> str | None:
    """Return the key that says, in each message of a row, whether to learn from it, if the trainer reads one."""
    layout = reading.layout
    messages = layout.messages(values, layout.answers[0]) if layout.answers and layout.kind == "chat" else []
    given = {key for message in messages if isinstance(message, dict) for key in message}
    return next((key for key in contract.turn_keys if key in given), None)


def _check_row(values: Mapping[str, Any], reading: Reading, contract: Contract) -> Iterator[Defect]:
    layout = reading.layout
    # Columns first: without them, the contents can't be checked.
    if contract.others is not None and (more := sorted(values.keys() - {*layout.columns, *contract.others})):
        yield "extra_columns", contract.unread, f"also holds {', '.join(more)}"
    for name, kind in layout.columns.items():
        if not isinstance(values.get(name), kind):
            yield "unreadable", UNREADABLE, f"{name!r} is {_kind(values.get(name))}"
            return
    for name in reading.ignored:
        if values.get(name):
            yield ("lost_turns", _LOST_TURNS, "") if name == "history" else ("ignored_columns", _IGNORED, f"{name!r}")
    if "history" in layout.optional and not _is_history(values.get("history")):
        yield "unreadable", UNREADABLE, "'history' is no list of pairs of texts"
    if "tools" in layout.optional and not isinstance(
        values.get("tools"), (*(_TOOLS[kind] for kind in contract.tools), type(None))
    ):
        yield "unreadable", UNREADABLE, f"'tools' is {_kind(values['tools'])}"
    if len(layout.answers) == 2:
        yield from check_pair(values, layout, contract)
    # In a preference row, check the prompt with each answer; in a row for rewards, there is none.
    for answer in layout.answers or ("",):
        if layout.kind == "chat":
            prompt = [message for name in layout.prompt for message in values[name]]
            yield from _check_chat(prompt, layout.messages(values, answer) if answer else [], reading, contract)
        else:
            yield from _check_text(values, layout.prompt, answer, contract)


def _check_text(
    values: Mapping[str, Any], prompt: tuple[str, ...], answer: str, contract: Contract
) -> Iterator[Defect]:
    if answer and not values[answer].strip():
        yield "empty_answer", contract.empty_answer, f"{answer!r} is empty"
    for name in prompt:
        if not values[name].strip():
            yield "empty_prompt", contract.empty_prompt, f"{name!r} is empty"
    if contract.writes_bos and answer and not prompt and (mark := _begin_mark(values[answer])):
        yield "twice_begun", _DOUBLE_BEGIN, f"begins with {mark}"


def _check_chat(prompt: list[Any], answers: list[Any], reading: Reading, contract: Contract) -> Iterator[Defect]:
    # Messages such as {"role": "user", "content": "Hi"}: check each one, then their order.
    role_key, content_key = reading.layout.keys
    parts: list[str] = []
    for number, message in enumerate(prompt + answers):
        if not isinstance(message, dict) or role_key not in message:
            yield "unreadable", UNREADABLE, f"message {number} has no {role_key!r}"
            return
        role, content = message[role_key], message.get(content_key)
        part = reading.roles.get(role) if isinstance(role, str) else None
        if part is None:
            yield "foreign_role", contract.foreign_role, f"role {str(role)[:_MAX_ROLE_CHARS]!r}"
            part = "foreign"
        parts.append(part)
        for key in _TURN_KEYS if part == "assistant" else ():
            # null, as Parquet fills in, says nothing
            if message.get(key) is not None and not message[key] and key not in contract.turn_keys:
                rule = Rule("warning", "the trainer doesn't read it", f"choose what it learns: {reading.loss}")
                yield "ignored_turn_key", rule, f"message {number} has {key}: {message[key]}"
        calls = message.get("tool_calls") or message.get("function_call")
        if calls and contract.tool_calls:
            yield "tool_calls", contract.tool_calls, f"message {number} calls a tool in 'tool_calls'"
        elif calls and content is None:  # such a call needs no content
            continue
        text = message_text({content_key: content}) if contract.content_parts else content
        if not isinstance(text, str):
            yield "unreadable", UNREADABLE, f"message {number}: {content_key!r} is {_kind(content)}"
        elif not text.strip():
            answer = part == "assistant"
            rule = contract.empty_answer if answer else contract.empty_prompt
            yield "empty_answer" if answer else "empty_prompt", rule, f"message {number} ({part}) is empty"
        elif part == "call" and contract.call_text and not _is_call(text):
            yield "unreadable_call", contract.call_text, f"message {number} is no call"
    if not parts:
        yield "no_answer", contract.no_answer, "no message"
    elif "foreign" not in parts:
        is_answered = parts[-1] in ("assistant", "call")
        if not reading.layout.answers:
            if is_answered and contract.answered:
                yield "answered", contract.answered, f"ends with the {parts[-1]}"
        elif not is_answered:
            yield "no_answer", contract.no_answer, f"ends with the {parts[-1]}"
        elif prompt and answers and parts[len(prompt)] not in ("assistant", "call"):
            yield "split", _PART_OF_ANSWER, f"message {len(prompt)} is the {parts[len(prompt)]}'s"
        if detail := _out_of_turn(parts, contract.order):
            yield "alternation", contract.alternation, detail


def _out_of_turn(parts: list[str], order: Mapping[str, frozenset[str]]) -> str:
    for number, (before, part) in enumerate(pairwise(["start", *parts])):
        if before not in order[part]:
            if part == "system":
                return f"message {number} is the system's, not first"
            return f"message {number} is the {part}'s, after {_possessive(before)}"
    return ""


def _is_history(value: object) -> bool:
    """Return whether a value holds earlier turns, [["question", "answer"], ...], or nothing."""
    turns = value if isinstance(value, list) else [value] if value else []
    return all(isinstance(turn, list) and [type(text) for text in turn] == [str, str] for turn in turns)


def _is_call(text: str) -> bool:
    """Return whether a text holds calls as JSON, such as {"name": "weather", "arguments": {}}, after any reasoning."""
    try:
        calls = json.loads(text.rpartition("</think>")[2])
    except (ValueError, RecursionError):
        return "<tool_call>" in text
    calls = calls if isinstance(calls, list) else [calls]
    return all(isinstance(call, dict) and {"name", "arguments"} <= call.keys() for call in calls)


def _possessive(part: str) -> str:
    return "nothing" if part == "start" else f"the {part}'s"


def _begin_mark(text: str) -> str:
    return next((mark for mark in _BEGIN_MARKS if text.startswith(mark)), "")


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}
    return "missing" if value is None else kinds.get(type(value), type(value).__name__)
