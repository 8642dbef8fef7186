"""What the readers of answers promise: every style of numbering, whole values, no exception, linear time."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from conftest import FULL, IN_FULL
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.language_tags import OWN
from selfinstruct.core.prompts import Asking, Completion
from selfinstruct.core.tasks import Material
from selfinstruct.strategies import Alpaca, SelfInstruct
from selfinstruct.strategies.reading.lines import is_nothing, without_nothing
from selfinstruct.strategies.reading.lists import read_list
from selfinstruct.strategies.reading.loose_json import as_text, fields_of, read_fields, read_json
from selfinstruct.strategies.reading.text_blocks import LABEL_FIRST, TASK, read_blocks, read_examples
from selfinstruct.strategies.wording import load_wording

# --- lists ----------------------------------------------------------------------------------------

FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
HANZI = ["", *"一二三四五六七八九", "十", *(f"十{digit}" for digit in "一二三四五六七八九")]
STYLES: dict[str, Callable[[int], str]] = {
    "1. text": lambda n: f"{n}. ",
    "1.text": lambda n: f"{n}.",
    "1) text": lambda n: f"{n}) ",
    "1.) text": lambda n: f"{n}.) ",
    "(1) text": lambda n: f"({n}) ",
    "[1] text": lambda n: f"[{n}] ",
    "1: text": lambda n: f"{n}: ",
    "1、text": lambda n: f"{n}、",
    "１．text": lambda n: f"{n}．".translate(FULL_WIDTH),
    "（１）text": lambda n: f"（{n}）".translate(FULL_WIDTH),
    "【1】text": lambda n: f"【{n}】",
    "第1题 text": lambda n: f"第{n}题 ",
    "第 1 题：text": lambda n: f"第 {n} 题：",
    "第一题：text": lambda n: f"第{HANZI[n]}题：",
    "一、text": lambda n: f"{HANZI[n]}、",
    "任务1：text": lambda n: f"任务{n}：",
    "Task 1: text": lambda n: f"Task {n}: ",
    "task #1 - text": lambda n: f"task #{n} - ",
    "**Task 1:** text": lambda n: f"**Task {n}:** ",
    "**Task 1**: text": lambda n: f"**Task {n}**: ",
    "**1.** text": lambda n: f"**{n}.** ",
    "**1**. text": lambda n: f"**{n}**. ",
    "- 1. text": lambda n: f"- {n}. ",
    "> 1. text": lambda n: f"> {n}. ",
    "  1. text": lambda n: f"  {n}. ",
    "right-aligned": lambda n: f"{n:>3}. ",
    "1\\. text": lambda n: f"{n}\\. ",
    "#1 text": lambda n: f"#{n} ",
    "#1: text": lambda n: f"#{n}: ",
    "### 1. text": lambda n: f"### {n}. ",
    "### Task 1 / text": lambda n: f"### Task {n}\n",
    "1. Instruction: text": lambda n: f"{n}. Instruction: ",
    "1. Task: text": lambda n: f"{n}. Task: ",
    "all 1.": lambda n: "1. ",
    "- text": lambda n: "- ",
    "• text": lambda n: "• ",
}
WORDS = "a|3|lines:|(short)|x*y|“ok”|#tag|C++|2.5|写|1. one|{x}|why?|Input".split("|")
instructions = st.builds(
    lambda first, rest: " ".join([first, *rest]),
    st.sampled_from(["Write", "Why", "写一首诗，", "Ünder", "Name 3 things,", "第二次世界大战"]),
    st.lists(st.sampled_from(WORDS), max_size=6),
)


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@given(texts=st.lists(instructions, min_size=1, max_size=9), ending=st.sampled_from(["\n", "\r\n", "\n\n", "\r"]))
def test_a_list_in_any_style_is_read_back_exactly(style: Callable[[int], str], texts: list[str], ending: str) -> None:
    answer = "".join(f"{style(number)}{text}{ending}" for number, text in enumerate(texts, 9))
    assert read_list(answer).items == texts
    assert read_list(f"Sure, here you are:\n\n{answer}\n\nI hope this helps!").items == texts


LISTS = {
    "prose only": ("I can't help with that.", []),
    "empty": ("", []),
    "empty items": ("1.\n2. \n3. Name a tree.", ["Name a tree."]),
    "wrapped lines": ("1. Name a\n   tree.\n2. Sing.", ["Name a tree.", "Sing."]),
    "bold items": ("**1. Name a tree.**\n2. **Sing.**", ["Name a tree.", "Sing."]),
    "bold titles": ("1. **Trees:** Name one.", ["Trees: Name one."]),
    "bold blanks": ("1. ** ** Sing.", ["Sing."]),
    "quoted items": ('1. "Name a tree."\n2. “Sing.”\n3. Say "a" or "b"', ["Name a tree.", "Sing.", 'Say "a" or "b"']),
    "a sub-list, indented": ("1. Pick:\n   1) one\n   2) two\n2. Sing.", ["Pick: 1) one 2) two", "Sing."]),
    "a sub-list, flush": ("9. Pick:\n1. one\n2. two\n10. Sing.", ["Pick: 1. one 2. two", "Sing."]),
    "a sub-list, other words": ("Task 9: Pick:\n1. one\n2. two", ["Pick: 1. one 2. two"]),
    "groups that start anew": ("### Easy\n1. Sing.\n\n### Hard\n1. Dance.\n2. Fly.", ["Sing.", "Dance.", "Fly."]),
    "decimals, times and years": ("1. Add\n2.5 and\n10:30 and 2024", ["Add 2.5 and 10:30 and 2024"]),
    "bullets in an item": ("1. Pick:\n- one\n- two\n2. Sing.", ["Pick: - one - two", "Sing."]),
    "bullets under an item": ("1. Pick one.\n   - “one”\n   - two\n2. Sing.", ["Pick one.", "Sing."]),
    "answers behind the task": ("1. Sing.\nInput: none\nOutput: la\n2. Dance.", ["Sing.", "Dance."]),
    "a fence around": ("```\n1. Sing.\n2. Dance.\n```", ["Sing.", "Dance."]),
    "other line ends stay inside": ("1. Sing\u2028now\x0bplease.", ["Sing\u2028now\x0bplease."]),
    "NUL and half a surrogate": ("1. a\x00b\n2. \ud800", ["a\x00b", "\ud800"]),
}


@pytest.mark.parametrize(("answer", "items"), LISTS.values(), ids=LISTS)
def test_lists(answer: str, items: list[str]) -> None:
    assert read_list(answer).items == items


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        (" Name a tree.\nTask 10: Sing.", ["Name a tree.", "Sing."]),
        (" 9. Name a tree.\n10. Sing.", ["Name a tree.", "Sing."]),
        (" Pick:\n1. one\n2. two\nTask 10: Sing.", ["Pick: 1. one 2. two", "Sing."]),
        (" Name a tree.\n\nBye.", ["Name a tree."]),
        ("", []),
    ],
)
def test_a_continued_list_starts_inside_its_first_item(answer: str, items: list[str]) -> None:
    assert read_list(answer, continues=True).items == items


# --- blocks ---------------------------------------------------------------------------------------

SAFE = ["plain text", "It costs 3.", "def f(x):", "x = 1  # one", "七步", "So: yes"]
TRICKY = [
    *["Input: 3", "Output: 5", "- Input: x", "**Input:** 4", "Answer: 42", "输入：五", "Task 5: Walk", "Label: x"],
    *["1. foo", "2) bar", "42.", "Example 1", "Step 2:", "### Steps", "# comment", "#", "---", "***", "| a |", "|---|"],
    *["```", "    indented", "\ttab  ", "", "\u3000\u3000段落", "instructions: none", "trailing  "],
]
outputs = st.builds(
    lambda first, middle, last: "\n".join([first, *middle, last]).strip(),
    st.sampled_from(SAFE),
    st.lists(st.sampled_from(TRICKY), max_size=6),
    st.sampled_from(SAFE),
)
inputs = st.just("") | st.lists(st.sampled_from([*SAFE, "1. foo", "# x", "Label: y", "Example 2"]), min_size=1).map(
    "\n".join
)


def strategy(kind: type[Alpaca | SelfInstruct], language: str = "en", endpoint: str = "chat") -> Alpaca | SelfInstruct:
    config = RunConfig.parse({"seeds": "x", "run_dir": "y", "language": language})
    return kind(config, Asking.over(endpoint))  # type: ignore[arg-type]


def as_blocks(language: str, tasks: list[tuple[str, str, str]], first: int = 4) -> str:
    """Tasks written with the demonstration wording of a language."""
    config = RunConfig.parse({"seeds": "x", "run_dir": "y", "language": language})
    wording = load_wording(config, "alpaca", {})
    return "\n".join(
        wording.fill(
            "demo", number=str(number), instruction=task[0], input=task[1] or wording["no_input"], output=task[2]
        )
        for number, task in enumerate(tasks, first)
    )


@pytest.mark.parametrize("language", OWN)
@given(tasks=st.lists(st.tuples(instructions, inputs, outputs), min_size=1, max_size=5), chat=st.booleans())
def test_blocks_in_the_demonstration_wording_are_read_back_exactly(
    language: str, tasks: list[tuple[str, str, str]], chat: bool
) -> None:
    answer = as_blocks(language, tasks)
    if not chat:  # the prompt has already written the number and 'Instruction:'
        answer = re.split("[:：]", answer, maxsplit=1)[1]
    found = strategy(Alpaca, language, "chat" if chat else "completions").parse(Completion(answer), Material())
    assert [(c.instruction, c.input, c.output) for c in found] == tasks
    assert not any(c.truncated for c in found)


def block(*values: str) -> dict[str, str]:
    return dict(zip(("instruction", "input", "output"), values, strict=False))


ADD, SING = block("Add.", "1, 2", "3"), block("Sing.", "-", "La.")
TWO, LA = [ADD, SING], {"instruction": "Sing.", "output": "La."}
HEADED = "### 4|Instruction: Add.|Input: 1, 2|Output: 3{}|### 5|Instruction: Sing.|Input: -|Output: La."


def longer(more: str) -> list[dict[str, str]]:
    return [block("Add.", "1, 2", "3\n" + more.replace("|", "\n")), SING]


QUOTED = {"instruction": "Sing.", "output": "It grew.\nIt\n\n> stayed."}
BLOCKS = {  # | stands for a line's end
    "as asked": (HEADED.format(""), TWO),
    "no numbers": ("Instruction: Add.|Input: 1, 2|Output: 3|Instruction: Sing.|Input: -|Output: La.", TWO),
    "rules": ("Instruction: Add.|Input: 1, 2|Output: 3|###|Instruction: Sing.|Input: -|Output: La.|###", TWO),
    "bold": ("**4.**|**Instruction:** Add.|**Input**: 1, 2|**Output: 3**", [ADD]),
    "bullets": ("- Instruction: Add.|- Input: 1, 2|- Output: 3|* Instruction: Sing.|* Input: -|* Output: La.", TWO),
    "on one line": ("4. Instruction: Add.|Input: 1, 2|Output: 3|5. Instruction: Sing.|Input: -|Output: La.", TWO),
    "numbered fields": ("Instruction 4: Add.|Input 4: 1, 2|Output 4: 3|Instruction 5: Sing.|Output 5: La.", [ADD, LA]),
    "headings": ("### Instruction:|Add.|### Input|1, 2|### Response:|3", [ADD]),
    "titles": (HEADED.format("").replace("5", "5. Songs").replace("4", "Task 4: Sums"), TWO),
    "only the number": ("4. Add.|Input: 1, 2|Output: 3||5. Sing.|Input: -|Output: La.", TWO),
    "other names": ("Task: Add.|Input: 1, 2|Answer: 3||Task: Sing.|Input: -|Answer: La.", TWO),
    "full width": ("### ４|指令：Add.|输入：1, 2|输出：3|### ５|【指令】Sing.|【输入】-|【输出】：La.", TWO),
    "fenced": (f"Sure!|```|{HEADED.format('')}|```", TWO),
    "a farewell": ("Instruction: Add.|Input: 1, 2|Output: 3|---|Instruction: Sing.|Output: La.|---|Enjoy!", [ADD, LA]),
    "a German farewell": (f"{HEADED.format('')}||Ich hoffe, diese Aufgaben helfen dir weiter!", TWO),
    "a French farewell": (f"{HEADED.format('')}||N'hésite pas à demander d'autres tâches.", TWO),
    "a Spanish farewell": (f"{HEADED.format('')}||¿Necesitas más tareas?", TWO),
    "a Japanese farewell": (f"{HEADED.format('')}||以上のタスクがお役に立てば幸いです。", TWO),
    "a Chinese farewell": (f"{HEADED.format('')}||以上任务希望对您有帮助！", TWO),
    "a block quote": ("> **Instruction:** Sing.|> **Output:** It grew.|> It|>|> > stayed.", [QUOTED]),
    "a farewell to the tasks": (f"{HEADED.format('')}||I hope these tasks help.", TWO),
    "input first": ("Input: 1, 2|Instruction: Add.|Output: 3||Input: -|Instruction: Sing.|Output: La.", TWO),
    "input first, once": ("#4|Input: 1, 2|Instruction: Add.|Output: 3|#5|Instruction: Sing.|Output: La.", [ADD, LA]),
    "output before input": ("Instruction: Add.|Output: 3|Input: 1, 2||Instruction: Sing.|Output: La.|Input: -", TWO),
    "an input too many": ("Instruction: Add.|Input: 1, 2|Input: 7|Output: 3", [ADD]),
    "an empty output first": ("Instruction: Add.|Input: 1, 2|Output:|Output: 3", [ADD]),
    "an input in the output": ("Instruction: Add.|Input: 1, 2|Output:|Input: 3", [block("Add.", "1, 2", "Input: 3")]),
    "no input": ("Instruction: Sing.|Output: La.", [LA]),
    "no output": ("Instruction: Sing.|Instruction: Add.|Input: 1, 2|Output: 3", [block("Sing."), ADD]),
    "no instruction at first": ("Input: x|Output: y||Instruction: Add.|Input: 1, 2|Output: 3", [ADD]),
    "code": ("Instruction: Add.|Input:|  1, 2|Output:||    3|| # done|", [block("Add.", "  1, 2", "    3\n\n # done")]),
    "an example inside": (HEADED.format("|Example 1|Input: 5|Output: 6"), longer("Example 1|Input: 5|Output: 6")),
    "a list in the output": (HEADED.format("|1. a|2. b"), longer("1. a|2. b")),
    "rules in the output": (HEADED.format("|---|4|***|"), longer("---|4")),
    "Roman numbers": ("IV. Instruction: Add.|Input: 1, 2|Output: 3||V. Instruction: Sing.|Input: -|Output: La.", TWO),
    "Roman numbers above": ("I.|Instruction: Sing.|Output: La.||II.|Instruction: Sing.|Output: La.", [LA, LA]),
    "only Roman numbers": ("Task IV: Add.|Input: 1, 2|Output: 3||Task V: Sing.|Input: -|Output: La.", TWO),
    "Roman tasks": ("Task I:|Instruction: Sing.|Output: La.||Task II:|Instruction: Sing.|Output: La.", [LA, LA]),
    "fields in an output": (
        HEADED.format("|Instruction: tell.|Input: a map.|Output: a drawing."),
        longer("Instruction: tell.|Input: a map.|Output: a drawing."),
    ),
    "a number missing": (HEADED.format("|Instruction: Sing.|Output: La.").replace("5", "6"), [ADD, LA, SING]),
    "prose": ("I can't do that: sorry.", []),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "found"), BLOCKS.values(), ids=BLOCKS)
def test_blocks(answer: str, found: list[dict[str, str]]) -> None:
    assert read_blocks(answer.replace("|", "\n"), TASK).items == found
    assert read_blocks(answer.replace("|", "\r\n"), TASK).items == found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("**4. Rivers**", "**5. Lakes**"),
        ("4. Rivers", "5. Lakes"),
        ("Category: Science", "Category: Arts"),
        ("**Category:** Science", "**Category:** Arts"),
        ("主题：河流", "主题：湖泊"),
    ],
)
@pytest.mark.parametrize("gap", ["|", "||"])
def test_titles_above_all_blocks_are_left_out_with_a_verdict(first: str, second: str, gap: str) -> None:
    blocks = [f"- Instruction: {name}.|- Input: {given}|- Output: {out}" for name, given, out in TITLED]
    read = read_blocks(f"{first}{gap}{blocks[0]}||{second}{gap}{blocks[1]}".replace("|", "\n"), TASK)
    assert read.items == [block("Add.", "1, 2", "3\n1. a"), SING]
    assert read.lost == [f"left_out: {first}", f"left_out: {second}"]
    # Without a title above the first block, nothing proves that the line is one.
    alone = read_blocks(f"{blocks[0]}||{second}{gap}{blocks[1]}".replace("|", "\n"), TASK)
    assert (alone.items, alone.lost) == ([block("Add.", "1, 2", f"3\n1. a\n\n{second}"), SING], [])


TITLED = [("Add", "1, 2", "3|1. a"), ("Sing", "-", "La.")]

EXAMPLES = {
    "one output": ("Output: La.", [("", "La.")]),
    "an output that shows a use": ("Output: Call it.\nInput: 3\nOutput: 6", [("", "Call it.\nInput: 3\nOutput: 6")]),
    "one output, said twice": ("Example 1\nOutput: La.\nExample 2\nOutput: Lo.", [("", "La.")]),
    "examples": ("Example 1\nInput: a\nOutput: b\n\nExample 2:\nInput: c\nOutput: d", [("a", "b"), ("c", "d")]),
    "no numbers": ("Input: a\nOutput: b\nInput: c\nOutput: d", [("a", "b"), ("c", "d")]),
    "numbered, with an input inside": ("Example 1\nInput: a\nOutput: b\nInput: c", [("a", "b\nInput: c")]),
    "the task said again": ("Task: Sort.\nExample 1\nInput: b a\nOutput: a b", [("b a", "a b")]),
    "cut off in the input": ("Input: a\nOutput: b\nInput: c", [("a", "b"), ("c", "")]),
}


@pytest.mark.parametrize(("answer", "found"), EXAMPLES.values(), ids=EXAMPLES)
def test_examples(answer: str, found: list[tuple[str, str]]) -> None:
    assert [(b.get("input", ""), b.get("output", "")) for b in read_examples(answer).items] == found


@pytest.mark.parametrize(
    "answer",
    [
        "Label: good\nInput: Fine.\n\nLabel: bad\nInput: Awful.",
        "Example 1\nLabel: good\nInput: Fine.\nExample 2\nLabel: bad\nInput: Awful.",
        "Class label: **good**\nInput: Fine.\nClass label: bad\nInput: Awful.",
        "示例1\n标签：good\n输入：Fine.\n\n示例2\n标签：bad\n输入：Awful.",
        "Input: Fine.\nLabel: good\nInput: Awful.\nLabel: bad",
        "Input: Fine.\nOutput: good\nInput: Awful.\nOutput: bad",
    ],
)
def test_labelled_examples(answer: str) -> None:
    wanted = [("good", "Fine."), ("bad", "Awful.")]
    assert [(b["label"], b["input"]) for b in read_blocks(answer, LABEL_FIRST).items] == wanted


def test_fields_may_be_named_by_the_wording() -> None:
    answer = "### 1\nAnweisung: Zähle.\nEingabe: a b\nAusgabe: 2"
    own = {"anweisung": "instruction", "eingabe": "input", "ausgabe": "output"}
    assert read_blocks(answer, TASK, own).items == [block("Zähle.", "a b", "2")]


# --- JSON -----------------------------------------------------------------------------------------

A, B = {"instruction": "Sing.", "output": "La."}, {"instruction": "Dance.", "output": "{[("}
AB = json.dumps([A, B])
LATEX = [r"\frac{1}{2} and \beta", "\\frac \\times\n\there", "\\( \\pi \\)\nand"]
JSONS = {
    "as asked": (f'{{"tasks": {AB}}}', [A, B]),
    "spread over lines": (json.dumps({"tasks": [A, B]}, indent=2), [A, B]),
    "fenced, prose around": (f'Sure!\n\n```json\n{{"tasks": {AB}}}\n```\nEnjoy [1].', [A, B]),
    "a bare list": (AB, [A, B]),
    "another key": (f'{{"items": {AB}}}', [A, B]),
    "another key behind a note": (f'{{"note": "x", "items": {AB}}}', [A, B]),
    "one a line": (f"{json.dumps(A)}\n{json.dumps(B)}", [A, B]),
    "one alone": (json.dumps(A), [A]),
    "a comma too many": ('{"tasks": [' + json.dumps(A) + ",]}", [A]),
    "no comma": ('{"tasks": [' + json.dumps(A) + "\n" + json.dumps(B) + "]}", [A, B]),
    "cut in an item": ('{"tasks": [' + json.dumps(A) + ', {"instruction": "Dan', [A]),
    "cut in the first": ('{"tasks": [{"instruction": "Dan', []),
    "cut behind a bracket": ('{"tasks": [', []),
    "a broken item between": ('{"tasks": [{"instruction": "a "b" c"}, ' + json.dumps(B) + "]}", [B]),
    "raw newlines": ('{"tasks": [{"instruction": "a\nb"}]}', [{"instruction": "a\nb"}]),
    "strings": ('{"tasks": ["a", "b"]}', ["a", "b"]),
    "strings, one broken": ('{"tasks": ["a", "b "c" d", "e"]}', ["a", "e"]),
    "a number too long": ('{"tasks": [{"n": ' + "9" * 5000 + "}, " + json.dumps(B) + "]}", [B]),
    "LaTeX": (r'{"tasks": ["\frac{1}{2} and \beta", "\\frac \times\n\there", "\( \pi \)\nand"]}', LATEX),
    "a word's edges": (r'["\bcat\b", "a\tb\nc"]', [r"\bcat\b", "a\tb\nc"]),
    "two objects around": (f'{{"data": {{"tasks": {AB}}}}}', [A, B]),
    "three objects around": (f'{{"reply": {{"data": {{"items": {AB}}}}}}}', [A, B]),
    "encoded twice": (json.dumps(json.dumps({"tasks": [A, B]})), [A, B]),
    "a list encoded twice": (json.dumps({"tasks": AB}), [A, B]),
    "columns": (json.dumps({"instruction": ["Sing.", "Dance."], "output": ["La.", "{[("]}), [A, B]),
    "a list of lines": ('{"instruction": "Sing.", "output": ["La.", "Lo."]}', [A | {"output": ["La.", "Lo."]}]),
    "empty": ('{"tasks": []}', []),
    "an object": ("{}", [{}]),
    "prose": ("I have [two] ideas.", None),
    "a list in an output": ('Instruction: Sort.\nOutput:\n["a", "b"]', None),
    "a list in an item": ('1. Sort the list:\n["b", "a"]\n2. Sing.', None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("answer", "items"), JSONS.values(), ids=JSONS)
def test_json(answer: str, items: list[object] | None) -> None:
    for text in (answer, "\ufeff" + answer.replace("\n", "\r\n")):
        reading = read_json(text, "tasks")
        assert (None if reading is None else reading.items) == items


@pytest.mark.parametrize(
    ("item", "fields"),
    [
        ({"Instruction": " a ", "extra": 1, "output": None}, {"instruction": "a", "output": None}),
        ({"指令": "a", "输入": "b", "答案": "c"}, {"instruction": "a", "input": "b", "output": "c"}),
        ({"answer": "loose", "output": "proper"}, {"output": "proper"}),
        ({"output": ["1. a", "2. b"], "input": {"n": 1}}, {"output": "1. a\n2. b", "input": '{"n": 1}'}),
        ({"class_label": True}, {"label": "true"}),
        ({"instruction": "a", "input": float("nan")}, {"instruction": "a", "input": None}),
        ({"instruction": "a", "context": "b"}, {"instruction": "a", "input": "b"}),
        ({}, {}),
    ],
)
def test_fields_of_a_json_item(item: dict[str, object], fields: dict[str, str | None]) -> None:
    assert fields_of(item, LABEL_FIRST if "label" in fields else TASK) == fields


@pytest.mark.parametrize(
    ("more", "lost"),
    [
        ({"instances": [{"input": "x", "output": "y"}]}, '{"instances": [{"input": "x", "output": "y"}]}'),
        ({"input": "x", "context": "y"}, '{"context": "y"}'),
        ({"answer": "Lo."}, '{"answer": "Lo."}'),
        ({"Category": "music", "label": "easy"}, '{"Category": "music", "label": "easy"}'),
        ({"difficulty": 3, "is_classification": True}, '{"difficulty": 3, "is_classification": true}'),
        ({"answer": "La.", "id": "t4", "task_number": 4, "note": "", "tags": []}, ""),
    ],
)
def test_what_an_item_has_beside_its_fields_gets_a_verdict(more: dict[str, object], lost: str) -> None:
    read = read_fields(json.dumps([A | more]), "tasks", TASK, truncated=False)
    assert read.lost == ([f"left_out: {lost}"] if lost else [])
    assert read.items[0] | A == read.items[0]


NOTED = [f'left_out: {{"{key}": "{value}"}}' for key, value in (("model", "m"), ("notes", "Original."))]


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        (f'{{"tasks": {AB}, "notes": "Original."}}', NOTED[1:]),
        (f'{{"model": "m", "tasks": {AB}}}', NOTED[:1]),
        (f'{{"data": {{"tasks": {AB}, "notes": "Original."}}, "model": "m"}}', NOTED[::-1]),
        (f'{{"notes": "Original.", "easy": [{json.dumps(A)}], "hard": [{json.dumps(B)}]}}', NOTED[1:]),
        (f'{{"1": {json.dumps(A)}, "2": {json.dumps(B)}, "notes": "Original."}}', NOTED[1:]),
        (f'{{"context": "c", "items": {AB}}}', ['left_out: {"context": "c"}']),
        (f'{{"tasks": {AB}, "more": ["Fly."]}}', ['left_out: {"more": ["Fly."]}']),
        (f'{{"tasks": {AB}, "id": "r1", "error": null}}', []),
        (f'{{"model": "m", "tasks": [{json.dumps(A)}, {json.dumps(B)}', NOTED[:1]),
        (
            f'{{"model": "m", "tasks": [{json.dumps(A)}, {{"output": "a "b"c"}}, {json.dumps(B)}], "notes": "x"}}',
            ['left_out: "model": "m"', 'unreadable_item: {"output": "a "b"c"}', 'left_out: "notes": "x"'],
        ),
    ],
)
def test_what_is_beside_the_list_of_items_gets_a_verdict(answer: str, lost: list[str]) -> None:
    read = read_fields(answer, "tasks", TASK, truncated=False)
    assert (read.items, read.lost) == ([A, B], lost)


def test_instances_use_the_fields_of_their_kind_and_lose_the_others_with_a_verdict() -> None:
    reader = strategy(SelfInstruct)
    assert isinstance(reader, SelfInstruct)
    instance = {"input": "Fine.", "label": "good", "output": "It is good."}
    answer = Completion(json.dumps({"instances": [instance]}))
    classified, generated = (reader.read_instances(answer, "Rate it.", kind) for kind in (True, False))
    assert [classified.examples[0].output, *classified.lost] == ["good", 'left_out: {"output": "It is good."}']
    assert [generated.examples[0].output, *generated.lost] == ["It is good.", 'left_out: {"label": "good"}']


# --- small readers --------------------------------------------------------------------------------


NOTHING = ["", " \n", "<none>", "<noinput>", "No input", "(no input required)", "N/A", "n.a.", "[None]", "(none)."]
NOTHING += ["Not applicable", "None needed", "<无>", "（无）", "无需输入", "不需要输入", "没有输入", "【空】"]
NOTHING += ["Keine Eingabe erforderlich.", "(keine)", "entfällt", "Aucune entrée", "<aucune>", "sans objet"]
NOTHING += ["no aplica", "Sin entrada.", "入力なし", "該当なし", "<なし>"]
WORDS_FOR_NOTHING = ["None.", "*none*", "null", '""', "-", "Empty", "nil", "无", "无。", "空", "—"]
WORDS_FOR_NOTHING += ["Keine", "néant", "Nada.", "なし"]


@pytest.mark.parametrize("text", NOTHING)
def test_a_field_that_says_nothing(text: str) -> None:
    assert is_nothing(text)


@pytest.mark.parametrize("text", WORDS_FOR_NOTHING)
def test_a_word_for_nothing_is_an_input_unless_it_is_how_the_answer_marks_tasks_without_one(text: str) -> None:
    assert not is_nothing(text)
    assert without_nothing(["pear", text], "<none>") == ["pear", text]
    assert without_nothing(["pear", text, text], "<none>") == ["pear", "", ""]
    assert without_nothing(["<none>", text, text, ""], "<none>") == ["", text, text, ""]
    assert without_nothing(["N/A", text, text], "<none>") == ["", "", ""]


@pytest.mark.parametrize(
    "text",
    [
        "keine Ahnung",
        "aucune idée",
        "nada mal",
        "なしとりんご",
        "0",
        "[]",
        ".",
        "?",
        "none of these",
        "No, thanks",
        "nan",
        "无人驾驶",
        "空气",
        "n" * 99,
    ],
)
def test_a_field_that_says_something(text: str) -> None:
    assert not is_nothing(text)


# --- any text at all ------------------------------------------------------------------------------

FRAGMENTS = (
    "Instruction: Input: Output: 输出： Label: ### 4 Example 1. Task 2: --- ``` { } [ ] , \\ ** ０ <think>".split()
)
FRAGMENTS += ["\n", "\r\n", '{"tasks": [', '"', "\x00", "\ud800", " "]
anything = st.text(st.characters(exclude_categories=())) | st.lists(
    st.sampled_from(FRAGMENTS) | st.text(max_size=3)
).map("".join)
READERS = [
    strategy(kind, language, endpoint) for kind in (Alpaca, SelfInstruct) for language in ("en", "zh", "fr")
    for endpoint in ("chat", "completions")
]  # fmt: skip


def read_all(text: str, truncated: bool) -> None:
    completion = Completion(text, finish_reason="length" if truncated else "stop")
    for reader in READERS:
        for candidate in reader.parse(completion, Material()):
            assert candidate.instruction == candidate.instruction.strip()
            assert (candidate.instruction == "") == (candidate.error is not None)
        if isinstance(reader, SelfInstruct):
            reader.is_classification(completion)
            for classification in (True, False):
                assert len(reader.read_instances(completion, "Sort.", classification).examples) <= 5


@pytest.mark.parametrize("text", ["- ", "* ][", "- Name a river."])
def test_a_continuation_that_begins_with_a_bullet(text: str) -> None:
    """Found by the fuzzer: nothing stands above the bullet that could have ended."""
    assert read_list(text, continues=True).items == [text.strip()]


@given(text=anything, truncated=st.booleans())
def test_nothing_raises(text: str, truncated: bool) -> None:
    read_all(text, truncated)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_any_json_value_becomes_text(value: object) -> None:
    assert isinstance(as_text(value), str)
    read_all(json.dumps({"tasks": value, "instructions": value, "instances": value}), truncated=False)


SLOW = ' |*|#|-|- |\u3000|1|(|一|[|{|{"|["|"a" |{"a":|}|Task |Task 1|},{"|", "|\\|<think>|No input |a: '.split("|")
LINES = "|#|1.|9. |一、|Input:|Instruction:|Output:!|Instruction: a!Output: b!|Input: a!!|### 4"
LINES += "|### 4!Input:|---|```|},!{|a b c d|[!"
SLOW += [unit.replace("!", "\n") + "\n" for unit in LINES.split("|")]


@pytest.mark.slow
@pytest.mark.parametrize("depth", [100, 900, 5_000, pytest.param(100_000, marks=IN_FULL)])
def test_deep_nesting_is_data(depth: int) -> None:
    read_all(f'{{"tasks": [{{"instruction": "a", "output": {"[" * depth}{"]" * depth}}}]}}', truncated=False)
    read_all('{"instances": [{"output": ' + '{"a":' * depth, truncated=True)


def seconds(read: Callable[[str], object], text: str) -> float:
    begin = time.process_time()
    read(text)
    return time.process_time() - begin


@pytest.mark.slow
@pytest.mark.parametrize("unit", SLOW)
@pytest.mark.parametrize("start", ["", "Instruction: a\nOutput:\n", '{"tasks": [{"instruction": "'])
def test_time_grows_with_the_text_only(unit: str, start: str) -> None:
    def read(text: str) -> None:
        READERS[0].parse(Completion(text), Material())
        READERS[6].parse(Completion(text), Material())
        read_blocks(text, LABEL_FIRST)

    length = 200_000 if FULL else 50_000
    small = seconds(read, start + unit * (length // 10 // len(unit)) + "x")
    assert seconds(read, start + unit * (length // len(unit)) + "x") < max(length / 50_000, 50 * small)


def test_a_megabyte_of_tasks_is_read_within_seconds() -> None:
    tasks = [
        ("Name a tree that grows by the sea.", "", "A line.\n1. A second line of text.\n---\n" + "Pine. " * 20)
    ] * 5000
    answer = as_blocks("en", tasks)
    assert len(answer) > 1_000_000
    assert seconds(lambda text: READERS[0].parse(Completion(text), Material()), answer) < 5.0
    assert len(READERS[0].parse(Completion(answer), Material())) == 5000
    items = "".join(f"{number}. {task[0]} {'And so on. ' * 10}\n" for number, task in enumerate(tasks, 1))
    assert seconds(lambda text: READERS[6].parse(Completion(text), Material()), items + items) < 5.0
