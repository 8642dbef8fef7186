"""Seeds in the layouts of other tools: what is read, and what is said about the rest."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import selfinstruct as si
from conftest import ANSWER_FORMATS
from selfinstruct.core.chat_template import load_chat_template
from selfinstruct.core.errors import SeedError
from selfinstruct.core.prompts import Message
from selfinstruct.core.records import Example, Origin, Record, Response
from selfinstruct.core.tasks import SeedTask
from selfinstruct.dataset.formats import FORMATS
from selfinstruct.dataset.rows import Wording
from selfinstruct.generate.expectation import check
from selfinstruct.seeds.load import load_seeds, unread_notes

Row = dict[str, Any]
ROLE = "the system message is read as the first paragraph of the instruction"
LATER = "messages after the first answer are not read"
THOUGHT = "the reasoning before an answer is not read"
MARKER = "a marker of a chat template inside a text is kept"
BEFORE = "messages before the user's first are not read"


def read(folder: Path, *rows: Row, name: str = "s.jsonl") -> list[SeedTask]:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_seeds(path)


def defects(folder: Path, *rows: Row) -> list[str]:
    with pytest.raises(SeedError) as caught:
        read(folder, *rows)
    return [defect.rpartition("s.jsonl:")[2] for defect in caught.value.defects]


def parts(task: SeedTask) -> tuple[str, str, str]:
    [instance] = task.instances
    return task.instruction, instance.input, instance.output


def chat(*turns: tuple[str, str], keys: tuple[str, str] = ("role", "content")) -> list[Row]:
    return [dict(zip(keys, turn, strict=True)) for turn in turns]


# --- columns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"instruction": "When?", "context": "Built in 1931.", "response": "1931", "category": "closed_qa"},
            ("When?", "Built in 1931.", "1931"),
        ),
        ({"instruction": "Cod or robin?", "context": "", "response": "Cod"}, ("Cod or robin?", "", "Cod")),
        ({"prompt": "Add 1 and 2.\n\n", "completion": "3"}, ("Add 1 and 2.", "", "3")),
        ({"question": "1 + 2?", "answer": "#### 3"}, ("1 + 2?", "", "#### 3")),
        ({"question": "When?", "context": "In 1931.", "answer": "1931"}, ("When?", "In 1931.", "1931")),
        ({"prompt": "Sort.", "query": "2, 1", "response": "1, 2"}, ("Sort.", "2, 1", "1, 2")),
        ({"query": "Name a river.", "response": "The Loire."}, ("Name a river.", "", "The Loire.")),
        ({"system": "", "instruction": "Go.", "input": "", "output": "Gone."}, ("Go.", "", "Gone.")),
        (
            {"system_prompt": "Answer in rhyme.", "question": "Why?", "response": "Because, says Paws."},
            ("Answer in rhyme.\n\nWhy?", "", "Because, says Paws."),
        ),
        ({"prompt": "Pick.", "chosen": "Good.", "rejected": "Bad."}, ("Pick.", "", "Good.")),
        ({"instruction": None, "prompt": "Go.", "output": None, "completion": "Gone."}, ("Go.", "", "Gone.")),
    ],
)
def test_the_names_that_columns_go_by(tmp_path: Path, row: Row, expected: tuple[str, str, str]) -> None:
    [task] = read(tmp_path, row)
    assert parts(task) == expected


@pytest.mark.parametrize("nothing", [None, float("nan"), "nan", "NaN", "null", "<noinput>", "<none>", " <NA> ", ""])
def test_what_stands_for_no_input(tmp_path: Path, nothing: object) -> None:
    published = {"instruction": "Stop.", "instances": [{"input": nothing, "output": "Stopped."}]}
    tasks = read(tmp_path, {"instruction": "Go.", "input": nothing, "output": "Gone.", "id": None}, published)
    assert [parts(task) for task in tasks] == [("Go.", "", "Gone."), ("Stop.", "", "Stopped.")]
    assert unread_notes(tasks) == []


@pytest.mark.parametrize("given", ["None", "-", "Empty", "N/A", "0", "nan, 1"])
def test_an_input_that_looks_like_nothing(tmp_path: Path, given: str) -> None:
    [task] = read(tmp_path, {"instruction": "Is it a word?", "input": given, "output": "NaN"})
    assert parts(task) == ("Is it a word?", given, "NaN")


@pytest.mark.parametrize("form", ["jsonl", "csv", "text.csv", "parquet"])
def test_a_table_as_pandas_writes_it(tmp_path: Path, form: str) -> None:
    table = pandas.DataFrame(
        {
            "id": [7, 8],
            "instruction": ["Go.", "Stop."],
            "input": [float("nan"), "now"],
            "output": ["Gone.", "No."],
            "is_classification": [None, None],
        }
    ).astype({"is_classification": float})
    path = tmp_path / f"s.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_dict("records")))
        assert "NaN" in path.read_text()
    elif form == "parquet":
        table.to_parquet(path)
    else:
        (table.astype(str) if form == "text.csv" else table).to_csv(path, index=False)
    tasks = load_seeds(path)
    assert [(task.id, *parts(task)) for task in tasks] == [("7", "Go.", "", "Gone."), ("8", "Stop.", "now", "No.")]


def test_a_missing_instruction_or_answer_is_still_a_defect(tmp_path: Path) -> None:
    nan = float("nan")
    assert defects(tmp_path, {"instruction": "nan", "output": "a"}, {"instruction": "b", "output": nan}) == [
        "1: 'instruction' is empty; describe the task in it",
        "2: no instance; add 'instances', a list of objects with 'input' and 'output', or 'output'",
    ]


# --- chats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        {"messages": chat(("user", "Hi"), ("assistant", "Hello"))},
        {"conversations": chat(("human", "Hi"), ("gpt", "Hello"), keys=("from", "value"))},
        {"conversations": chat(("user", "Hi"), ("assistant", "Hello"))},
        {"conversation": chat(("User", "Hi"), ("Assistant", "Hello"))},
        {"conversations": ["Hi", "Hello"]},
        {"data": ["Hi", "Hello"], "id": "0"},
        {"prompt": chat(("user", "Hi")), "completion": chat(("assistant", "Hello"))},
        {"prompt": chat(("user", "Hi")), "chosen": chat(("assistant", "Hello")), "rejected": []},
        {"prompt": "Hi", "chosen": chat(("user", "Hi"), ("assistant", "Hello")), "score": 5.0},
        {"messages": json.dumps(chat(("user", "Hi"), ("assistant", "Hello")))},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, *chat(("model", "Hello"))]},
        {"instruction": "", "output": None, "messages": chat(("user", "Hi"), ("assistant", "Hello"))},
        {"text": "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"},
        {"text": "<s>[INST] Hi [/INST] Hello</s>"},
        {"prompt": "<s>[INST] Hi [/INST]", "completion": " Hello</s>"},
        {"instruction": "<|im_start|>user\nHi<|im_end|>", "output": "<|im_start|>assistant\nHello<|im_end|>"},
        {"instruction": "Hi", "instances": [{"input": "<s>", "output": "Hello<|eot_id|>"}]},
        {"text": "### Human: Hi\n### Assistant: Hello"},
    ],
)
def test_the_first_exchange_of_a_chat(tmp_path: Path, row: Row) -> None:
    tasks = read(tmp_path, row)
    assert [parts(task) for task in tasks] == [("Hi", "", "Hello")]
    assert unread_notes(tasks) == []


@pytest.mark.parametrize(
    ("turns", "instruction", "notes"),
    [
        ([("system", "Rhyme."), ("user", "Hi"), ("assistant", "Hello")], "Rhyme.\n\nHi", (ROLE,)),
        ([("developer", "Use JSON."), ("user", "Hi"), ("assistant", "Hello")], "Use JSON.\n\nHi", (ROLE,)),
        ([("system", " "), ("user", "Hi"), ("assistant", "Hello")], "Hi", ()),
        ([("user", "Hi"), ("user", "again"), ("assistant", "Hello")], "Hi\n\nagain", ()),
        ([("assistant", "Welcome!"), ("user", "Hi"), ("assistant", "Hello")], "Hi", (BEFORE,)),
        ([("user", "Hi"), ("assistant", "Hello"), ("user", "More"), ("assistant", "No.")], "Hi", (LATER,)),
        ([("user", "Hi"), ("assistant", "Hello"), ("tool", "4")], "Hi", (LATER,)),
        ([("user", "Hi"), ("assistant", "<think>\nA greeting.\n</think>\n\nHello")], "Hi", (THOUGHT,)),
        ([("user", "What is <|im_end|> for?"), ("assistant", "Hello")], "What is <|im_end|> for?", (MARKER,)),
    ],
)
def test_what_of_a_chat_is_left_out_is_noted(
    tmp_path: Path, turns: list[tuple[str, str]], instruction: str, notes: tuple[str, ...]
) -> None:
    [task] = read(tmp_path, {"messages": chat(*turns)})
    assert (task.notes, *parts(task)) == (notes, instruction, "", "Hello")


@pytest.mark.parametrize(
    ("turns", "defect"),
    [
        ([("user", "Hi"), ("tool", "4"), ("assistant", "4")], "not a tool's turn; remove the row"),
        ([("user", "Hi"), ("function_call", "{}"), ("observation", "4"), ("gpt", "4")], "not a tool's turn; remove"),
        ([("user", "Hi"), ("narrator", "Hm"), ("assistant", "4")], "not the role 'narrator'; rename it"),
        ([("system", "Hm"), ("assistant", "4")], "needs a user turn followed by a turn of the assistant"),
    ],
)
def test_a_chat_that_is_no_task(tmp_path: Path, turns: list[tuple[str, str]], defect: str) -> None:
    [found] = defects(tmp_path, {"messages": chat(*turns)})
    assert found.startswith("1: 'messages' needs a user turn")
    assert defect in found


def test_a_call_of_a_tool_is_no_answer(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "Let me look.", "tool_calls": [{"function": {"name": "look"}}]}
    [found] = defects(tmp_path, {"messages": [*chat(("user", "Hi")), call, *chat(("tool", "4"), ("assistant", "4"))]})
    assert "not a tool's turn" in found


def test_turns_of_the_assistant_in_a_row_are_one_answer(tmp_path: Path) -> None:
    turns = chat(("user", "Hi"), ("assistant", "Hello,"), ("assistant", "you."), ("user", "Go."), ("assistant", "No."))
    [task] = read(tmp_path, {"messages": turns})
    assert (task.notes, *parts(task)) == ((LATER,), "Hi", "", "Hello,\n\nyou.")


def test_the_system_message_of_llama_2(tmp_path: Path) -> None:
    text = "<s>[INST] <<SYS>>\nRhyme.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] More [/INST] No. </s>"
    [task] = read(tmp_path, {"text": text})
    assert (task.notes, *parts(task)) == ((LATER, ROLE), "Rhyme.\n\nHi", "", "Hello")


@pytest.mark.parametrize("output", ["<think>Hm, a greeting.", "<|im_end|>", "<think>Hm.</think>\n"])
def test_an_answer_of_reasoning_or_markers_is_empty(tmp_path: Path, output: str) -> None:
    [found] = defects(tmp_path, {"instruction": "Hi", "output": output})
    assert found == "1: instance 1: 'output' is empty; write the answer, or remove the instance"


def test_a_missing_answer_of_a_table_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("instruction,output\nGo.,nan\nIs 0 / 0 a number in JavaScript?,NaN\n")
    with pytest.raises(SeedError) as caught:
        load_seeds(path)
    [defect] = caught.value.defects
    assert defect.endswith(
        "s.csv:2: no instance; add 'instances', a list of objects with 'input' and 'output', or 'output'"
    )
    assert read(tmp_path, {"instruction": "Print float('nan').", "output": "nan"})[0].instances[0].output == "nan"


def test_reasoning_beside_the_answer_is_noted(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "Hello", "reasoning_content": "A greeting."}
    [task] = read(tmp_path, {"messages": [*chat(("user", "Hi")), answer]})
    assert task.notes == ("the reasoning beside an answer is not read",)


def test_an_image_is_not_dropped_silently(tmp_path: Path) -> None:
    content = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "What is it?"}]
    [found] = defects(tmp_path, {"messages": [{"role": "user", "content": content}, *chat(("assistant", "A cat."))]})
    assert found == "1: 'messages': the 'content' of a turn must be a string"


def test_a_rendered_conversation_whose_texts_hold_marks_of_another_template(tmp_path: Path) -> None:
    text = "Below is a task.\n\n### Instruction:\nCopy.\n\n### Input:\n[INST] Hi\n\n### Response:\n[INST] Hi"
    [task] = read(tmp_path, {"text": text})
    assert parts(task) == ("Copy.\n\n[INST] Hi", "", "[INST] Hi")
    assert task.notes == ("text before the first mark of a turn is not read",)


# --- trees -----------------------------------------------------------------------------------------


def test_a_tree_of_messages_one_per_row(tmp_path: Path) -> None:
    def message(id: str, parent: str | None, role: str, text: str, rank: float | None = None) -> Row:
        return {"message_id": id, "parent_id": parent, "role": role, "text": text, "rank": rank, "lang": "en"}

    rows = [
        message("a", None, "prompter", "Name a river."),
        message("b", "a", "assistant", "Hm.", 1.0),
        message("c", "a", "assistant", "The Loire.", 0.0),
        message("d", "c", "prompter", "Another."),
        message("e", "d", "assistant", "The Elbe.", 0.0),
        message("f", None, "prompter", "Name a hill."),
        message("g", "f", "assistant", "Ben Nevis.", None),
    ]
    tasks = read(tmp_path, *rows)
    assert [(task.id, *parts(task)) for task in tasks] == [
        ("a", "Name a river.", "", "The Loire."),
        ("f", "Name a hill.", "", "Ben Nevis."),
    ]
    assert unread_notes(tasks) == [
        "seeds: replies other than the best are not read (1 seed, the first is 'a')",
        "seeds: messages after the first answer are not read (1 seed, the first is 'a')",
    ]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "s.parquet")
    assert load_seeds(tmp_path / "s.parquet") == tasks


@pytest.mark.parametrize(
    "row",
    [
        {"message_id": None, "parent_id": None, "role": "prompter", "text": "Hi"},
        {"message_id": ["a"], "parent_id": {}, "role": "prompter", "text": "Hi"},
        {"prompt": {"role": "prompter", "text": "Hi", "replies": 5}},
        {"prompt": {"role": "prompter", "text": "Hi", "replies": [5]}},
        {"messages": [{"role": ["user"], "content": "Hi"}]},
        {"messages": [5], "prompt": {}},
        {"instruction": {"a": 1}, "output": ["x"], "system": 5},
    ],
)
def test_nonsense_is_a_defect_and_no_crash(tmp_path: Path, row: Row) -> None:
    assert all(defect.startswith("1: ") for defect in defects(tmp_path, row))


def test_a_message_that_answers_itself_ends(tmp_path: Path) -> None:
    first = {"message_id": "a", "parent_id": None, "role": "prompter", "text": "Hi"}
    tree = [first, first | {"parent_id": "a"}, first | {"message_id": "b", "parent_id": "a", "role": "assistant"}]
    assert defects(tmp_path, *tree)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.sampled_from(["user", "assistant", "[]", "nan"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "text", "replies", "rank"]), inner)
    ),
    max_leaves=8,
)
COLUMNS = ["id", "name", "instruction", "prompt", "query", "input", "output", "chosen", "instances", "messages", "text",
           "conversations", "data", "system", "message_id", "parent_id", "role", "is_classification"]  # fmt: skip


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(COLUMNS), JSON), min_size=1, max_size=3))
def test_any_row_is_a_task_or_a_defect(tmp_path: Path, rows: list[Row]) -> None:
    with contextlib.suppress(SeedError):
        tasks = read(tmp_path, *rows)
        assert all(task.instruction.strip() and task.instances for task in tasks)
        unread_notes(tasks)


def test_a_message_whose_parent_is_missing_is_a_defect_with_its_line(tmp_path: Path) -> None:
    rows = [{"message_id": "b", "parent_id": "a", "role": "assistant", "text": "Hm."}]
    assert defects(tmp_path, *rows) == ["1: 'prompt' needs a user turn followed by a turn of the assistant"]


def test_a_tree_in_one_row(tmp_path: Path) -> None:
    replies = [
        {"role": "assistant", "text": "Hm.", "rank": 1, "replies": []},
        {"role": "assistant", "text": "The Loire.", "rank": 0, "replies": []},
    ]
    tree = {"message_tree_id": "x", "prompt": {"role": "prompter", "text": "Name a river.", "replies": replies}}
    [task] = read(tmp_path, tree)
    assert parts(task) == ("Name a river.", "", "The Loire.")
    assert task.notes == ("replies other than the best are not read",)


@pytest.mark.parametrize("flaw", [{"deleted": True}, {"review_result": False}, {"deleted": "True"}])
def test_a_deleted_message_is_not_used(tmp_path: Path, flaw: Row) -> None:
    first = {"message_id": "a", "parent_id": None, "role": "prompter", "text": "Name a river."}
    best = {"message_id": "b", "parent_id": "a", "role": "assistant", "text": "Hm.", "rank": 0}
    good = {"message_id": "c", "parent_id": "a", "role": "assistant", "text": "The Loire.", "rank": 1}
    good |= {"deleted": False, "review_result": True}
    tree = {"prompt": {"role": "prompter", "text": "Name a river.", "replies": [best | flaw, good]}}
    for rows in ([first, best | flaw, good], [tree]):
        [task] = read(tmp_path, *rows)
        assert parts(task) == ("Name a river.", "", "The Loire.")
        assert task.notes == ("replies other than the best are not read",)
    problem = "1: 'prompt' needs a user turn followed by a turn of the assistant"
    assert defects(tmp_path, first, best | flaw) == [problem]
    problem = "1: the first message was deleted or failed its review; remove the row"
    assert defects(tmp_path, first | flaw, good) == [problem]
    assert defects(tmp_path, {"prompt": tree["prompt"] | flaw}) == [problem]


# --- our own exports ---------------------------------------------------------------------------------

INSTRUCTION, GIVEN, OUTPUT = "Translate into French.", "Good morning,\n\nyou [two]!", "Bonjour,\n\nvous deux !"
EXPORTS = [(format, "chatml", False) for format in sorted(ANSWER_FORMATS)]
EXPORTS += [("text", name, False) for name in ("llama3", "gemma", "mistral", "zephyr")]
EXPORTS.append(("prompt_completion", "chatml", True))


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("asked", [GIVEN, ""])
@pytest.mark.parametrize(("format", "template", "published"), EXPORTS)
def test_each_format_of_a_dataset_written_here_is_read_whole(
    tmp_path: Path, asked: str, format: str, template: str, published: bool, system: str | None
) -> None:
    wording = Wording(system, published, template=load_chat_template(template))
    lead = "" if system is None else f"{system}\n\n"
    example = Example.of(INSTRUCTION, asked, Response(OUTPUT))
    for number in range(60 if published else 1):  # draws each published template
        record = Record(str(number), 0, 0, INSTRUCTION, (example,), Origin("alpaca", "fake", "v1"))
        row = FORMATS[format].row(record, example, wording)
        [task] = read(tmp_path, row)
        instruction, given, output = parts(task)
        assert output == OUTPUT
        if format == "alpaca" or "Input: " in str(row):
            assert (instruction, given) == (lead + INSTRUCTION, asked)
        else:
            joined = "\n\n".join(each for each in (INSTRUCTION, asked) if each)
            assert (instruction.split(), given) == ((lead + joined).split(), "")


@pytest.mark.parametrize(
    "format", ["prompt_completion", "prompt_completion_chat", "preference", "preference_flat", "kto"]
)
@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_of_a_dialogue_in_each_format_the_first_exchange_is_the_seed(
    tmp_path: Path, format: str, turns: int, system: str | None
) -> None:
    answers = Response("Bonjour.", verdicts={"check": si.Verdict()}), Response("Non.", sample=1)
    earlier = [Message("user", "Translate:\n\nGood morning"), Message("assistant", "Bonjour."), Message("user", "Why?")]
    messages = earlier[:1] if turns == 1 else [*earlier, Message("assistant", "So."), earlier[2]]
    example = Example(tuple(messages), answers)
    record = Record("r", 0, 0, "Translate:\n\nGood morning", (example,), Origin("alpaca", "fake", "v1"))
    [task] = read(tmp_path, FORMATS[format].row(record, example, Wording(system, dialogues=True)))
    assert parts(task) == ("Be brief.\n\n" * bool(system) + "Translate:\n\nGood morning", "", "Bonjour.")
    assert (LATER in task.notes) == (turns > 1)


@pytest.mark.parametrize("prompt", ["User: Hi", "Name the roles.\n\nUser:\n", "User:\nHi\n\nAssistant:\nHello"])
def test_what_is_no_dialogue_as_text(tmp_path: Path, prompt: str) -> None:
    [task] = read(tmp_path, {"prompt": prompt, "completion": "Hello"})
    assert parts(task) == (prompt.strip(), "", "Hello")


@pytest.mark.parametrize("name", ["s.jsonl", "s.csv"])
def test_of_labeled_answers_the_first_good_one_is_a_seed(tmp_path: Path, name: str) -> None:
    rows = [("Hi", "Go away.", False), ("Hi", "Hello.", True), ("Bye", "Ciao.", True), ("Hi", "Hey.", True)]
    rows += [("Why?", "No.", False)]
    table = pandas.DataFrame(rows, columns=["prompt", "completion", "label"])
    path = tmp_path / name
    table.to_csv(path, index=False) if name == "s.csv" else table.to_json(path, orient="records", lines=True)
    tasks = load_seeds(path)
    assert [parts(task) for task in tasks] == [("Hi", "", "Hello."), ("Bye", "", "Ciao.")]
    said = "seeds: answers with the label false, and further answers to a prompt, are not read"
    assert unread_notes(tasks)[0] == f"{said} (2 seeds, the first is 'seed_0')"


def test_several_scored_answers_are_one_defect_that_says_what_they_are(tmp_path: Path) -> None:
    row = {"prompt": chat(("user", "Hi")), "completions": [chat(("assistant", "Hello"))] * 2, "scores": [5.0, 1.0]}
    [defect] = defects(tmp_path, row, row)
    assert defect.startswith("1: 'completions' has several answers to a prompt, as the format reward does; ")


@pytest.mark.parametrize("as_text", [False, True])
def test_of_a_dialogue_in_the_layout_of_alpaca_the_first_turn_is_the_seed(tmp_path: Path, as_text: bool) -> None:
    history: Any = [["Name a river.", "The Loire."], ["And a lake?", "Lake Annecy."]]
    history = json.dumps(history) if as_text else history
    row = {"instruction": "How deep is it?", "input": "", "output": "82 m at most.", "history": history}
    [task] = read(tmp_path, row)
    assert parts(task) == ("Name a river.", "", "The Loire.")
    assert task.notes == (LATER,)
    [single] = read(tmp_path, row | {"history": []})
    assert parts(single) == ("How deep is it?", "", "82 m at most.")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_a_published_prompt_in_any_file(tmp_path: Path, name: str) -> None:
    rows = [
        {"prompt": "Task: Translate.\n\nInput: Hi\n\nOutput:", "completion": " Salut"},
        {"prompt": "Task: Name a river.\n\n", "completion": "Loire"},
        {"prompt": "Count to 3. Output:", "completion": " 1 2 3"},
    ]
    path, table = tmp_path / name, pandas.DataFrame(rows)
    if name == "rows.parquet":
        table.to_parquet(path)
    elif name == "rows.csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    tasks = load_seeds(path)
    assert [parts(task) for task in tasks] == [
        ("Translate.", "Hi", "Salut"), ("Name a river.", "", "Loire"), ("Count to 3.", "", "1 2 3")
    ]  # fmt: skip
    note = "the marks 'Task:', 'Input:', and 'Output:' of a prompt are not read"
    assert [task.notes for task in tasks] == [(note,)] * 3


@pytest.mark.parametrize(
    "prompt",
    [
        "Task: a word. Define it.",
        "What does the Output: of this say",
        "Which follows?\nInput: 1",
        "Compare.\n\nTask: dig\n\nTask: sing\n\n",
        "Output:",
        "Count to 3.\nOutput:",
    ],
)
def test_marks_without_their_counterparts_are_content(tmp_path: Path, prompt: str) -> None:
    [task] = read(tmp_path, {"prompt": prompt, "completion": "Yes."})
    assert (task.instruction, task.notes) == (prompt.strip(), ())


# --- what is said about it -----------------------------------------------------------------------


def test_columns_that_are_not_read_are_named_by_check_and_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        {"instruction": f"Count to {n}.", "output": "1 2 3", "notes": "slowly" if n > 3 else "", "rating": 5}
        for n in range(3, 10)
    ]
    both = {"instruction": "Go.", "output": "Gone.", "response": "Left.", "tags": ["walk"]}
    read(tmp_path, *rows, both)
    config = si.RunConfig.parse(
        {"seeds": f"{tmp_path}/s.jsonl", "run_dir": f"{tmp_path}/run", "target": 3, "teacher": {"kind": "fake"}}
    )
    line = "seeds: not read: column 'notes' of 6 seeds, 'response' of 1 seed, 'tags' of 1 seed"
    assert f"warning: {line}" in check(config).notes
    with caplog.at_level(logging.WARNING):
        si.run(config, progress=None)
    assert f"selfinstruct: warning: {line}" in caplog.messages


def test_content_beside_the_instances_is_named(tmp_path: Path) -> None:
    row = {"instruction": "Go.", "instances": [{"input": "", "output": "Gone.", "why": "It left."}], "output": "Left."}
    assert unread_notes(read(tmp_path, row)) == [
        "seeds: key 'why' of an instance is not read (1 seed, the first is 'seed_0')",
        "seeds: not read: column 'output' of 1 seed",
    ]


def test_many_columns_end_in_a_count(tmp_path: Path) -> None:
    row = {"instruction": "Go.", "output": "Gone.", **{f"c{n}": "x" for n in range(11)}}
    [line] = unread_notes(read(tmp_path, row))
    assert line.endswith("'c7' of 1 seed and 3 more")
