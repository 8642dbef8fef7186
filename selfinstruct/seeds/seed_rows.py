"""Find the task in a row of any known layout, and note what of the row is left out.

Layouts are the names that columns go by, chats (`tables/chats.py`), conversations rendered with a chat template, and
trees of messages as OpenAssistant publishes them. `load` uses this module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..core.errors import UsageError
from ..tables import Row
from ..tables.chats import ChatTurn, turns_of

# The columns of a task, and the names that they go by: Alpaca's, Dolly's, those of trainers and of question sets.
# A name that is listed twice goes to the first field that has no other column: 'query' is also an input.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "instruction": ("instruction", "prompt", "question", "query"),
    "input": ("input", "context", "query"),
    "output": ("output", "response", "completion", "answer", "chosen"),
    "system": ("system", "system_prompt"),
}
# Columns that can hold a chat; two are parts of one chat.
_CHATS = (
    ("messages",), ("conversations",), ("conversation",), ("prompt", "completion"), ("prompt", "chosen"), ("chosen",),
    ("data",),
)  # fmt: skip
_OWN = ("id", "name", "instances", "is_classification")
# What means 'no input': marks in Self-Instruct's prompts and ours, and missing values that pandas wrote as text.
_NOTHING = frozenset(("", "<noinput>", "<no input>", "<none>", "nan", "<nan>", "<na>", "null"))
# Where a turn begins in a rendered conversation: ChatML, Llama 3, Gemma, Zephyr, Mistral, and the prompts of Alpaca and
# Guanaco. For example '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n'.
_BEGIN = re.compile(
    r"<\|im_start\|>(\w+)\n|<\|start_header_id\|>(\w+)<\|end_header_id\|>\n\n|<start_of_turn>(\w+)\n"
    r"|<\|(system|user|assistant)\|>\n|\[(/?INST)\] ?|^### (Instruction|Input|Response|Human|Assistant):\s*",
    re.MULTILINE,
)
_END = re.compile(
    r"\s*(?:<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|<\|end_of_text\|>|<\|endoftext\|>|<eos>|</s>(?:\s*<s>)?)\s*\Z"
)
_MARKS = {"inst": "user", "/inst": "assistant"}
_LLAMA_2_SYSTEM = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>\s*", re.DOTALL)

# A dialogue as text: 'User:\nHi\n\nAssistant:\nHello\n\nUser:\nBye\n\nAssistant:\n'.
_SPEAKER = re.compile(r"(?:\A|(?<=\n\n))(System|User|Assistant):(?:[ \n]|\Z)")
_LABELS = {"true": True, "false": False}
_BAD_ANSWERS = "answers with the label false, and further answers to a prompt, are not read"


def split_row(
    values: Mapping[str, Any], problems: list[str], notes: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a row's task, in the columns of Alpaca and of the published layout, and the columns that are not read.

    In the task, `is_rendered` says that it was taken out of a chat template's text, without the template's markers.

    Args:
        values: The row. A task in columns goes before a chat.
        problems: Receives what makes a chat unusable.
        notes: Receives what of a chat is left out.
    """
    if _label_of(values) is not None:
        notes.append(_BAD_ANSWERS)
    values = _parse_transcript(values)
    row = {name: value for name, value in values.items() if not _is_missing(value)}
    task = {name: row.pop(name) for name in _OWN if name in row}
    if "instances" in task:
        task["instances"] = _parse_list(task["instances"])
    # Pick the column of each field: the first with a text, or else the first.
    for field, names in _FIELDS.items():
        plain = [name for name in names if name in row and not isinstance(row[name], list | Mapping)]
        if plain:
            name = next((name for name in plain if not is_nothing(row[name])), plain[0])
            text = row.pop(name)
            task[field] = text.strip() if name == "prompt" and isinstance(text, str) else text
    match values.get("prompt"), values.get("completion"), task:
        case str(prompt), answer, {"instruction": text, "output": str(output)} if (
            text == prompt.strip() and output == answer and not task.get("input")
        ):
            task |= _without_marks(prompt, output, notes)
    # Without a task in columns, look for a conversation.
    answered = task.get("instances") or not is_nothing(task.get("output"))
    if task.get("instances"):
        row |= {field: task.pop(field) for field in ("input", "output") if field in task}
    if (is_nothing(task.get("instruction")) or not answered) and (chat := _find_chat(values, notes)):
        columns, turns = chat
        first = _first_exchange(columns[0], turns, problems, notes)
        task = {name: value for name, value in task.items() if name in ("id", "name", "is_classification", "system")}
        system = [text for text in (task.get("system"), first.get("system")) if not is_nothing(text)]
        used = {*columns, *task.keys(), *_FIELDS["system"]}
        row = {n: v for n, v in values.items() if n not in used and v not in (first["instruction"], first["output"])}
        task |= first | {"system": "\n\n".join(map(str, system)), "is_rendered": columns == ("text",)}
    # [["Hi", "Hello"]]: the columns have the last turn of a dialogue, which means nothing without the turns before it.
    match _parse_list(row.get("history")):
        case [[str(said), str(answer)], *_]:
            task |= {"instruction": said, "input": "", "output": answer}
            notes.append("messages after the first answer are not read")
            del row["history"]
    system_text = task.pop("system", None)
    if isinstance(system_text, str) and not is_nothing(system_text) and isinstance(task.get("instruction"), str):
        task["instruction"] = f"{system_text.strip()}\n\n{task['instruction']}"
        notes.append("the system message is read as the first paragraph of the instruction")
    return task, {name: value for name, value in row.items() if not is_nothing(value)}


def _label_of(values: Mapping[str, Any]) -> bool | None:
    """Return the label of a row for KTO: whether its answer is a good one. Cells of a CSV file are texts."""
    return _LABELS.get(str(values.get("label")).lower()) if {"prompt", "completion"} <= values.keys() else None


def _parse_transcript(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row with a list of messages in place of a prompt that holds a dialogue as text; others unchanged."""
    prompt, name = values.get("prompt"), next((each for each in ("completion", "chosen") if values.get(each)), "")
    if not isinstance(prompt, str) or not isinstance(answer := values.get(name), str):
        return values
    lead, *pieces = _SPEAKER.split(prompt)
    roles = ["system", *(role.lower() for role in pieces[::2])]
    spoken = [role for role in roles if role != "system"]
    if not spoken or spoken != ["user", "assistant"] * (len(spoken) // 2) or pieces[-1].strip():
        return values
    texts = [lead, *pieces[1:-1:2], answer]
    turns = [{"role": role, "content": text.strip()} for role, text in zip(roles, texts, strict=True) if text.strip()]
    return {**values, "prompt": turns[:-1], name: turns[-1:]}


def _without_marks(prompt: str, completion: str, notes: list[str]) -> dict[str, str]:
    """Return the task in a row for completions, without the marks of Self-Instruct's published prompts.

    'Task: Translate.\\n\\nInput: Hi\\n\\nOutput:' with ' Salut', or 'Task: Translate.\\n\\n'. A mark that occurs twice
    is content.
    """
    text, given = prompt, ""
    has_output = re.search(r"\S(?: |\n\n?)Output:\Z", prompt) if completion.startswith(" ") else None
    if has_output:
        text, completion = prompt[: has_output.start() + 1], completion[1:]
        if len(parts := re.split(r"(?<=\S)\n\n?Input: ", text)) == 2:
            text, given = parts
    begin = re.split(r"\ATask: |(?<=\n\n)Task: ", text)  # below a system message
    if len(begin) == 2 and (has_output or prompt.endswith("\n\n")):
        text = "".join(begin)
    if has_output or text != prompt:
        notes.append("the marks 'Task:', 'Input:', and 'Output:' of a prompt are not read")
    return {"instruction": text.strip(), "input": given, "output": completion}


def is_nothing(value: object) -> bool:
    """Return whether a value means that there is none: null, NaN, '', '<noinput>', 'nan' ..."""
    if isinstance(value, str):
        return value.strip().lower() in _NOTHING
    return _is_missing(value) or (isinstance(value, list | Mapping) and not value)


def find_tasks(rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows that are tasks: trees of messages joined, and of labeled answers the first good one of a prompt.

    Raises UsageError for rows with several answers.
    """
    prompts: set[str] = set()
    for row in _join_trees(rows):
        if {"completions", "scores"} <= row.values.keys():
            what = "'completions' has several answers to a prompt, as the format reward does"
            raise UsageError(f"{row.where}: {what}; a seed has one, so export the run in the format messages")
        label = _label_of(row.values)
        prompt = json.dumps(row.values["prompt"], default=str) if label is not None else ""
        if label is False or prompt in prompts:
            continue
        if label:
            prompts.add(prompt)
        yield row


def _join_trees(rows: Iterable[Row]) -> Iterator[Row]:
    """Replace messages that name their parents, one per row, by one conversation per tree; pass on other rows."""
    messages: dict[str, Row] = {}
    replies: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        id, parent = row.values.get("message_id"), row.values.get("parent_id")
        if isinstance(id, str) and {"parent_id", "text", "role"} <= row.values.keys() and id not in messages:
            messages[id] = row
            replies.setdefault(str(parent), []).append(row.values)
        else:
            yield _without_deleted(row)
    for id, row in messages.items():
        if str(row.values["parent_id"]) not in messages:
            # What follows the answer only matters for the note that it is left out.
            answers = [each | {"replies": replies.get(each["message_id"])} for each in replies.get(id, ())]
            yield _without_deleted(Row(row.where, {"id": id, "prompt": row.values | {"replies": answers}}))


def _without_deleted(row: Row) -> Row:
    """Return a row; a tree whose first message was deleted has a problem."""
    message = row.values.get("prompt")
    if isinstance(message, Mapping) and _is_deleted(message):
        return row._replace(problem="the first message was deleted or failed its review; remove the row")
    return row


def _is_deleted(message: Mapping[str, Any]) -> bool:
    """Return whether OpenAssistant's users or reviewers rejected a message. Cells of a CSV file are texts."""
    return str(message.get("deleted")).lower() == "true" or str(message.get("review_result")).lower() == "false"


def _rank(reply: Mapping[str, Any]) -> float:
    rank = reply.get("rank")
    return float("inf") if not isinstance(rank, int | float) or rank != rank else rank


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # NaN: a missing text, as pandas writes it


def _parse_list(text: Any) -> Any:
    """Return the list that a cell of a CSV file holds as JSON; any other value unchanged."""
    try:
        return json.loads(text) if isinstance(text, str) and text.lstrip().startswith("[") else text
    except (ValueError, RecursionError):
        return text


def _find_chat(row: Mapping[str, Any], notes: list[str]) -> tuple[tuple[str, ...], Any] | None:
    """Return the columns of the row's conversation, and its messages."""
    for names in _CHATS:
        parts = [_parse_list(row.get(name)) for name in names]
        lists = [part for part in parts if isinstance(part, list) and part]
        if len(lists) == len(names):
            return names, [message for part in lists for message in part]
    if row.get("messages"):  # not a list: `_first_exchange` says so
        return ("messages",), row["messages"]
    # {"prompt": {"role": "prompter", "text": "Hi", "replies": [{"role": "assistant", "text": "Hello", ...}]}}
    if isinstance(message := row.get("prompt"), Mapping):
        turns = [message]
        while isinstance(answers := turns[-1].get("replies"), list) and len(turns) < 3:
            if not all(isinstance(each, Mapping) for each in answers) or not answers:
                break
            answers = [each for each in answers if not _is_deleted(each)]
            if not answers:
                break
            turns.append(min(answers, key=_rank))
            if len(turns[-2]["replies"]) > 1 and len(turns) == 2:
                notes.append("replies other than the best are not read")
        return ("prompt",), list(turns)
    # {"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"}
    if not isinstance(text := row.get("text"), str):
        return None
    found = list(_BEGIN.finditer(text))
    begins = [begin for begin in found if begin.lastindex == found[0].lastindex]  # the marks of one template
    if not begins:
        return None
    if re.sub(r"\s|<s>|<bos>|<\|begin_of_text\|>", "", text[: begins[0].start()]):
        notes.append("text before the first mark of a turn is not read")
    rendered = []
    for begin, end in zip(begins, [*(begin.start() for begin in begins[1:]), len(text)], strict=True):
        role = str(begin[begin.lastindex or 0]).lower()
        content = _END.sub("", text[begin.end() : end]).strip()
        # '[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello'
        if inner := _LLAMA_2_SYSTEM.match(content):
            rendered.append({"role": "system", "content": inner[1].strip()})
            content = content[inner.end() :]
        rendered.append({"role": _MARKS.get(role, role), "content": content})
    return ("text",), rendered


def _first_exchange(column: str, chat: object, problems: list[str], notes: list[str]) -> dict[str, Any]:
    """Return what the user says first and the answer to it; note the other turns."""
    unread = {"instruction": "unread", "output": "unread"}  # a missing instruction is no second problem
    turns = turns_of(chat)
    if turns is None:
        problems.append(f"'{column}' must be a list of objects with 'role' and 'content'")
        return unread
    # The user's first turns, all together, and the assistant's after them, too; system messages from anywhere.
    system = [turn for turn in turns if turn.part == "system"]
    spoken = [turn for turn in turns if turn.part != "system"]
    first = next((n for n, turn in enumerate(spoken) if turn.part == "user"), len(spoken))
    end = next((n for n, turn in enumerate(spoken) if n > first and turn.part != "user"), len(spoken))
    last = next((n for n, turn in enumerate(spoken) if n > end and turn.part != "assistant"), len(spoken))
    asked, answer = spoken[first:end], spoken[end:last]
    for turn in [*spoken[:first], *answer]:
        if turn.part != "assistant":
            what = "a tool's turn; remove the row" if turn.part else f"the role {turn.role[:40]!r}; rename it"
            problems.append(f"'{column}' needs a user turn followed by a turn of the assistant, not {what}")
            return unread
    if not asked or not answer:
        problems.append(f"'{column}' needs a user turn followed by a turn of the assistant")
        return unread
    if any(turn.text is None for turn in [*system, *asked, *answer]):
        problems.append(f"'{column}': the 'content' of a turn must be a string")
        return unread
    if any(not is_nothing(turn.text) for turn in spoken[:first]):
        notes.append("messages before the user's first are not read")
    if any(turn.thinks for turn in answer):
        notes.append("the reasoning beside an answer is not read")
    if spoken[last:]:
        notes.append("messages after the first answer are not read")
    task: dict[str, Any] = {"instruction": _join(asked), "output": _join(answer)}
    return task | ({"system": _join(system)} if system else {})


def _join(turns: Iterable[ChatTurn]) -> str:
    return "\n\n".join(turn.text for turn in turns if turn.text and turn.text.strip())
