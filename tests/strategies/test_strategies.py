"""What the two ways of asking promise: the prompts, their sampling, and what is made of the answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from worked import Pair, examples_of, keep, pairs_of

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.language_tags import OWN
from selfinstruct.core.prompts import Ask, Asking, Completion, MadeOf, Prompt
from selfinstruct.core.records import Development, Label
from selfinstruct.core.tasks import Candidate, Demonstration, Material
from selfinstruct.strategies import Alpaca, SelfInstruct, build_strategy
from selfinstruct.strategies.protocol import Strategy, preview_prompts, task_tokens
from selfinstruct.strategies.reading.lines import WORDS
from selfinstruct.strategies.wording import load_wording
from selfinstruct.teachers.fake.teacher import FakeTeacher

ENGLISH_ONLY = frozenset(("grounded",))
"""Sections that some languages lack."""
NAMES, LANGUAGES, ENDPOINTS = ("alpaca", "self_instruct"), OWN, ("chat", "completions")
COMBINATIONS = list(itertools.product(NAMES, LANGUAGES, ENDPOINTS, (True, False)))
COMBINATION = pytest.mark.parametrize(("name", "language", "endpoint", "structured"), COMBINATIONS)
DEMOS = [
    Demonstration("a", "Sort the words.", "pear, fig", "fig, pear"),
    Demonstration("b", "Name a tree that\ngrows by the sea:", "", "Pine."),
    Demonstration("c", "说说什么是利息。", "", "利息是借钱的价钱。"),
]


def build(name: str, asking: Asking | str = "chat", structured: bool = False, **changes: Any) -> Strategy:
    values = {
        "seeds": "x",
        "run_dir": "y",
        "language": changes.pop("language", "en"),
        "task": changes.pop("task", None),
    }
    config = RunConfig.parse(values | {"strategy": {"kind": name, **changes}})
    if isinstance(asking, str):
        asking = Asking(asking, asking, asking, structured)  # type: ignore[arg-type]
    return build_strategy(config, asking)


def self_instruct(asking: Asking | str = "chat", structured: bool = False, **changes: Any) -> SelfInstruct:
    made = build("self_instruct", asking, structured, **changes)
    assert isinstance(made, SelfInstruct)
    return made


def prompts_of(strategy: Strategy, demos: Sequence[Demonstration] = DEMOS) -> list[Prompt]:
    """One prompt for every purpose that the strategy has."""
    prompts = [strategy.propose(Material(tuple(demos)))]
    if isinstance(strategy, SelfInstruct):
        instruction = demos[0].instruction
        prompts += [strategy.classify(instruction)]
        prompts += [strategy.request_instances(instruction, kind) for kind in (True, False)]
    return prompts


class Answers:
    """An `ask` that hands out the given answers in turn and keeps the questions."""

    def __init__(self, *answers: Completion | str) -> None:
        self._answers = [a if isinstance(a, Completion) else Completion(a) for a in answers]
        self.asked: list[Prompt] = []

    async def __call__(self, prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        self.asked.append(prompt)
        return self._answers[len(self.asked) - 1]


def ask_of(teacher: FakeTeacher) -> Ask:
    """An `ask` that a teacher answers."""

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        return await teacher.complete(replace(prompt, sample=sample, purpose=role or prompt.purpose))

    return ask


def made_of(
    pairs: Sequence[Pair],
    classification: bool | None,
    truncated: bool = False,
    error: str | None = None,
    lost: tuple[str, ...] = (),
    instruction: str = "Sort the words.",
) -> Development:
    """What `develop` returns if it has made these inputs and outputs."""
    labels: dict[str, Label] = {} if classification is None else {"is_classification": classification}
    return Development(examples_of(instruction, *pairs), labels, truncated, error, lost)


def lost(*errors: str) -> list[Candidate]:
    """What `parse` says of the parts of an answer that are no task."""
    return [Candidate("", error=error) for error in errors]


def develop(strategy: Strategy, *answers: Completion | str, instruction: str = "Sort the words.") -> Development:
    return asyncio.run(strategy.develop(Candidate(instruction), Answers(*answers)))


def cut(text: str) -> Completion:
    return Completion(text, finish_reason="length")


# --- the wording ----------------------------------------------------------------------------------


def shipped(language: str) -> dict[str, Any]:
    text = (resources.files("selfinstruct.strategies") / "prompts" / f"{language}.yaml").read_text("utf-8")
    wording: dict[str, Any] = yaml.safe_load(text)
    return wording


def keys_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return keys_of(value[0])
    return sorted(set(re.findall(r"\{([a-z]+)\}", value)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_keys_and_places(language: str) -> None:
    english, wording = shipped("en"), shipped(language)
    english = {name: section for name, section in english.items() if name not in ENGLISH_ONLY}
    assert keys_of(english) == keys_of({name: wording[name] for name in english})
    assert all(isinstance(key, str) for key in wording["self_instruct"])
    for section in english:
        for key, value in english[section].items():
            if isinstance(value, list):  # as many examples
                assert len(wording[section][key]) == len(value)
            else:  # and paragraphs
                assert [text.count("\n\n") for text in (wording[section][key], value)] == [value.count("\n\n")] * 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_readers_know_the_field_names_of_every_shipped_wording(language: str) -> None:
    """In any run, so that JSON with translated keys is read, too."""
    names = WORDS["fields"][language].items()
    config = RunConfig.parse({"seeds": "x", "run_dir": "y", "language": language})
    own = load_wording(config, "alpaca", {}).fields | load_wording(config, "self_instruct", {}).fields
    assert own == {word: name for name, word in names}
    items = [{word: name for name, word in names if name != "label"}]
    found = build("alpaca").parse(Completion(json.dumps({"tasks": items})), Material())
    assert found == [Candidate("instruction", "input", "output")]


@pytest.mark.parametrize(
    ("name", "language", "digest"),
    [
        ("alpaca", "en", "ed0be8f57b05"),
        ("alpaca", "zh", "1cda85f2b8f3"),
        ("alpaca", "any", "ed0be8f57b05"),
        ("self_instruct", "en", "7a042a23c271"),
        ("self_instruct", "zh", "e43e8423f2cb"),
        ("self_instruct", "any", "7a042a23c271"),
    ],
)
def test_the_shipped_wording_is_that_of_earlier_runs(name: str, language: str, digest: str) -> None:
    """An existing run refuses to continue with another wording."""
    assert build(name, language=language).digest == digest


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("it", "Italian"),
        ("pt-BR", "Brazilian Portuguese"),
        ("zh-Hant", "繁体中文"),
        ("haw", "haw"),
        ("de-AT", "Deutsch (Österreich)"),
        ("fr-CA", "français (Canada)"),
        ("es-419", "español (Latinoamérica)"),
        ("ja-JP", "日本語 (ja-JP)"),
    ],
)
def test_a_language_without_wording_is_asked_for_by_name(name: str, endpoint: str, language: str, asked: str) -> None:
    strategy = build(name, endpoint, language=language)
    shown = {
        prompt.purpose: prompt.messages[0].content for prompt in prompts_of(strategy) if prompt.purpose != "classify"
    }
    assert [purpose for purpose, text in shown.items() if asked not in text] == []
    assert not re.search(
        r"\{language\}|English|简体|Deutsch[^ ]| (?:français|español)[^ ]|日本語[^ ]",
        " ".join(shown.values()).replace("are in English. Every", ""),
    )
    assert strategy.digest not in {build(name, language=other).digest for other in LANGUAGES}


@pytest.mark.parametrize(("language", "own"), [("it", "en"), ("zh-Hant", "zh"), ("de-AT", "de"), ("ja-JP", "ja")])
@pytest.mark.parametrize(("name", "endpoint"), list(itertools.product(NAMES, ENDPOINTS)))
def test_another_language_changes_nothing_but_the_rules(name: str, endpoint: str, language: str, own: str) -> None:
    base = build(name, endpoint, language=own)
    for prompt, other in zip(prompts_of(build(name, endpoint, language=language)), prompts_of(base), strict=True):
        assert prompt.messages[1:] == other.messages[1:]
        assert prompt.sampling == other.sampling
        assert prompt.messages[0].content.count("\n\n") == other.messages[0].content.count("\n\n")


def test_your_own_prompt_file_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_text(yaml.safe_dump(shipped("en")), encoding="utf-8")
    assert build("alpaca", prompts=str(path), language="de").digest == build("alpaca").digest


@pytest.mark.parametrize("language", LANGUAGES)
def test_few_shot_answers_are_balanced(language: str) -> None:
    wording = shipped(language)["self_instruct"]
    answers = [example["answer"] for example in wording["classify_examples"]]
    assert answers.count(wording["yes"]) == answers.count(wording["no"]) == len(answers) / 2
    runs = [len(list(group)) for _, group in itertools.groupby(answers)]
    assert max(runs) <= 2
    alone = [not example["examples"][0]["input"] for example in wording["generation_examples"]]
    assert alone.count(True) == alone.count(False)
    for example in wording["classification_examples"]:
        labels = [part["label"] for part in example["examples"]]
        assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("structured", [True, False])
def test_the_shape_that_is_shown_is_the_shape_that_is_read(language: str, structured: bool) -> None:
    wording = shipped(language)["self_instruct"]
    strategy = self_instruct("chat", structured, language=language)
    for kind in ("generation", "classification"):
        _, *turns, _ = strategy.request_instances("x", kind == "classification").messages
        for asked, answer, example in zip(turns[::2], turns[1::2], wording[f"{kind}_examples"], strict=True):
            assert asked.content.strip().endswith(example["task"])
            found = strategy.read_instances(Completion(answer.content), example["task"], kind == "classification")
            wanted = [(e["input"], e.get("output", e.get("label"))) for e in example["examples"]]
            assert found.examples == examples_of(example["task"], *wanted)
            assert keep(pairs_of(found.examples)) == (wanted, [])


@COMBINATION
def test_every_place_is_filled(name: str, language: str, endpoint: str, structured: bool) -> None:
    for prompt in prompts_of(build(name, endpoint, structured, language=language)):
        assert not re.search(r"\{[a-z]+\}", prompt.text), prompt.text
        assert prompt.text.strip()


@COMBINATION
def test_braces_of_others_stay_as_they_are(name: str, language: str, endpoint: str, structured: bool) -> None:
    demos = [Demonstration("a", "Fill in {input} and {count}, {{first}}.", "{output} {", "}} {last}")]
    for prompt in prompts_of(build(name, endpoint, structured, language=language), demos):
        assert "Fill in {input} and {count}, {{first}}." in prompt.text
    if name == "alpaca":
        shown = build(name, endpoint, structured, language=language).propose(Material(tuple(demos))).text
        assert "{output} {" in shown
        assert "}} {last}" in shown


def own_wording(path: Path, changes: Mapping[str, Any], section: str = "alpaca") -> str:
    wording = shipped("en")
    wording[section].update(changes)
    wording[section] = {key: value for key, value in wording[section].items() if value is not None}
    path.write_text(yaml.safe_dump(wording, allow_unicode=True), encoding="utf-8")
    return str(path)


def test_a_wording_of_your_own_names_the_fields_in_its_language(tmp_path: Path) -> None:
    german = {
        "demo": "### {number}\nAnweisung: {instruction}\nEingabe: {input}\nAusgabe: {output}\n",
        "no_input": "(keine)",
        "cue": "\n### {first}\nAnweisung:",
    }
    strategy = build("alpaca", "completions", prompts=own_wording(tmp_path / "de.yaml", german))
    prompt = strategy.propose(Material(tuple(DEMOS)))
    assert "Anweisung: Sort the words.\nEingabe: pear, fig\nAusgabe: fig, pear" in prompt.text
    answer = " Zähle.\nEingabe: a b\nAusgabe: 2\n\n### 5\nAnweisung: Sing.\nEingabe: (keine)\nAusgabe: La."
    found = strategy.parse(Completion(answer), Material())
    assert found == [Candidate("Zähle.", "a b", "2"), Candidate("Sing.", "", "La.")]
    assert strategy.digest != build("alpaca").digest


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("alpaca", {"cue": None}, "'cue' must be a text"),
        ("alpaca", {"shown": "The set:\n"}, "'shown' lacks {demos}"),
        ("self_instruct", {"yes": True}, "'yes' must be a text"),
        ("self_instruct", {"classify_examples": "none"}, "'classify_examples' must be a list of examples"),
        ("self_instruct", {"classify_examples": [{"task": "x", "answer": True}]}, "needs the keys task, answer"),
        ("self_instruct", {"generation_examples": [{"task": "x"}]}, "needs the keys task, examples"),
    ],
)
def test_a_wording_that_falls_short_is_refused(tmp_path: Path, section: str, changes: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        build(section, prompts=own_wording(tmp_path / "own.yaml", changes, section))


NO_WORDING = [
    ("a: [", r"own\.yaml:1: expected .*; check the indentation and the quotes"),
    ("a: 1", "no section 'alpaca'"),
    (None, r"strategy\.prompts: .*own\.yaml: no such file"),
]


@pytest.mark.parametrize(("text", "message"), NO_WORDING)
def test_a_wording_that_is_none_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "own.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        build("alpaca", prompts=str(path))


def test_the_chinese_wording_can_be_copied_as_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(shipped("zh"), allow_unicode=True), encoding="utf-8")
    for name in NAMES:
        assert build(name, prompts=str(path)).digest == build(name, language="zh").digest


# --- the task ------------------------------------------------------------------------------------

LAW = "Students who prepare for a law exam ask.\nNo advice on {input} cases that are pending.\n"


@COMBINATION
def test_the_task_is_in_every_proposal_and_nowhere_else(
    name: str, language: str, endpoint: str, structured: bool
) -> None:
    with_task = prompts_of(build(name, endpoint, structured, language=language, task=LAW))
    without = prompts_of(build(name, endpoint, structured, language=language))
    proposal, plain = with_task[0], without[0]
    # Below the opening text: without it, the prompt is what it is without a task, to the last blank line.
    introduced = shipped(language)["task"][f"task_{endpoint}"].replace("{task}", LAW.strip()).strip()
    opening, _, rest = proposal.messages[0].content.partition(f"\n\n{introduced}")
    assert opening + rest == plain.messages[0].content != opening
    assert proposal.messages[0].content.count(LAW.strip()) == 1
    assert opening
    assert proposal.messages[1:] == plain.messages[1:]
    assert (proposal.sampling, proposal.schema) == (plain.sampling, plain.schema)
    for one, other in zip(with_task[1:], without[1:], strict=True):
        assert one.messages == other.messages


@pytest.mark.parametrize(
    ("name", "language", "digest"),
    [
        ("alpaca", "en", "ed0be8f57b05"),
        ("self_instruct", "en", "7a042a23c271"),
    ],
)
def test_prompts_keep_their_version_unless_there_is_a_task(name: str, language: str, digest: str) -> None:
    assert build(name, language=language).digest == digest
    assert build(name, language=language, task=LAW).digest != digest


def test_a_wording_of_your_own_introduces_the_task(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    own = own_wording(path, {"task_chat": "Für wen: {task}\n"}, "task")
    for name in NAMES:
        assert "Für wen: Students" in build(name, prompts=own, task=LAW).propose(Material(tuple(DEMOS))).text
    with pytest.raises(ConfigError, match=r"own\.yaml: 'task_chat' lacks \{task\}"):
        build("alpaca", prompts=own_wording(path, {"task_chat": "For law exams.\n"}, "task"), task=LAW)


def test_a_prompt_file_without_the_section_task_serves_until_there_is_a_task(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"alpaca": shipped("en")["alpaca"]}))
    assert build("alpaca", prompts=str(path)).digest == build("alpaca").digest
    with pytest.raises(ConfigError, match=r"own\.yaml: has no section 'task'; write one as in the shipped en\.yaml"):
        build("alpaca", prompts=str(path), task=LAW)


# --- the prompts ----------------------------------------------------------------------------------


@COMBINATION
def test_prompts_are_deterministic_and_begin_alike(name: str, language: str, endpoint: str, structured: bool) -> None:
    first = prompts_of(build(name, endpoint, structured, language=language), DEMOS)
    again = prompts_of(build(name, endpoint, structured, language=language), DEMOS)
    other = prompts_of(build(name, endpoint, structured, language=language), DEMOS[::-1])
    for one, same, another in zip(first, again, other, strict=True):
        assert one == same
        assert one.digest() == same.digest() != another.digest()
        assert one.messages[0] == another.messages[0]
        system, *turns, user = [message.role for message in one.messages]
        assert (system, user) == ("system", "user")
        assert turns == ["user", "assistant"] * (len(turns) // 2)
        assert one.messages[:-1] == another.messages[:-1]
        assert one.version == build(name, language=language).digest


@COMBINATION
def test_what_is_sent_where(name: str, language: str, endpoint: str, structured: bool) -> None:
    strategy = build(name, endpoint, structured, language=language)
    proposal, *others = prompts_of(strategy)
    assert proposal.made_of == MadeOf()  # the run sets them
    places = [proposal.text.find(demo.instruction.split("\n")[0]) for demo in DEMOS]
    assert places == sorted(places)
    assert places[0] > len(proposal.messages[0].content)
    for prompt in (proposal, *others):
        chat = prompt.endpoint == endpoint == "chat"
        assert (prompt.sampling.stop is None) == chat
        assert (prompt.schema is not None) == (chat and structured and prompt.purpose != "classify")
        assert (prompt.top_logprobs is not None) == (not chat and prompt.purpose == "classify")


PUBLISHED = {
    ("alpaca", "propose"): (1.0, 1.0, None, None, 3072),
    ("self_instruct", "propose"): (0.7, 0.5, 2.0, 0.0, 1024),
    ("self_instruct", "classify"): (0.0, None, 0.0, 0.0, 3),
    ("self_instruct", "instances"): (0.0, None, 1.5, 0.0, 300),
}
TASKS = {"en": "Task{}:", "zh": "任务{}：", "de": "Aufgabe{}:", "fr": "Tâche{} :", "es": "Tarea{}:", "ja": "タスク{}："}


@COMBINATION
def test_sampling_is_as_published(name: str, language: str, endpoint: str, structured: bool) -> None:
    for prompt in prompts_of(build(name, endpoint, structured, language=language)):
        s = prompt.sampling
        values = (s.temperature, s.top_p, s.presence_penalty, s.frequency_penalty, s.max_tokens)
        assert values == PUBLISHED[name, prompt.purpose]
        task, twelfth = TASKS[language].format(""), TASKS[language].format("12" if language in ("zh", "ja") else " 12")
        stops = {"propose": ("\n\n", f"\n{twelfth}"), "classify": ("\n", task), "instances": (task,)}
        stop = ("\n### 21",) if name == "alpaca" else stops[prompt.purpose]
        assert s.stop == (stop if endpoint == "completions" else None)


@pytest.mark.parametrize("name", NAMES)
def test_sampling_that_is_set_counts_and_null_is_left_out(name: str) -> None:
    ours: dict[str, Any] = {"temperature": None, "max_tokens": 77, "stop": None}
    purposes = ("propose",) if name == "alpaca" else ("propose", "classify", "instances")
    for prompt in prompts_of(build(name, "completions", **dict[str, Any](dict.fromkeys(purposes, ours)))):
        assert (prompt.sampling.temperature, prompt.sampling.max_tokens, prompt.sampling.stop) == (None, 77, None)
        assert prompt.sampling.top_p == PUBLISHED[name, prompt.purpose][1]


@pytest.mark.parametrize(
    ("name", "changes", "numbers"),
    [
        ("alpaca", {}, (3, 0, 17)),
        ("self_instruct", {}, (6, 2, 8)),
        ("alpaca", {"seed_demos": 5, "machine_demos": 2}, (5, 2, 13)),
        ("alpaca", {"seed_demos": 30}, (30, 0, 1)),
        ("alpaca", {"tasks_per_question": 4}, (3, 0, 4)),
        ("self_instruct", {"seed_demos": 1, "machine_demos": 0, "tasks_per_question": 2}, (1, 0, 2)),
    ],
)
def test_how_many_are_shown_and_asked_for(name: str, changes: dict[str, Any], numbers: tuple[int, int, int]) -> None:
    strategy = build(name, **changes)
    assert (strategy.seed_demos, strategy.machine_demos, strategy.tasks_per_question) == numbers


# --- answers of a teacher that follows the prompt -----------------------------------------------------


@COMBINATION
def test_every_combination_gives_tasks_and_instances(name: str, language: str, endpoint: str, structured: bool) -> None:
    strategy, teacher = build(name, endpoint, structured, language=language), FakeTeacher()
    materials = [Material((*DEMOS, Demonstration("d", f"Say {number}."))) for number in range(5)]
    questions = [strategy.propose(material) for material in materials]
    answers = [asyncio.run(teacher.complete(question)) for question in questions]
    read = [strategy.parse(answer, material) for answer, material in zip(answers, materials, strict=True)]
    found = [candidate for candidates in read for candidate in candidates]
    assert len(found) >= 5 * min(8, strategy.tasks_per_question)
    kinds = set()
    for candidate in found:
        assert re.fullmatch(
            r"请[^\n#*：]{10,}。" if language == "zh" else r"[A-Z][^\n#*:]{20,}\.", candidate.instruction
        )
        made = asyncio.run(strategy.develop(candidate, ask_of(teacher)))
        assert made.error is None
        kept, refused = keep(pairs_of(made.examples), made.truncated, candidate.instruction)
        assert kept
        assert not refused
        kinds.add(made.labels.get("is_classification"))
    assert kinds == ({None} if name == "alpaca" else {True, False})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "endpoint"), list(itertools.product(("evolve", "plan"), ENDPOINTS)))
def test_a_task_at_a_time_in_every_language(name: str, endpoint: str, language: str) -> None:
    strategy, teacher = build(name, endpoint, language=language), FakeTeacher()
    material = Material(tuple(DEMOS[:1]), {"operator": "breadth"})
    prompt = strategy.propose(material)
    assert not re.search(r"\{[a-z]+\}", prompt.text)
    (task,) = strategy.parse(asyncio.run(teacher.complete(prompt)), material)
    assert (task.error, "\n" in task.instruction, len(task.instruction) > 20) == (None, False, True)
    made = asyncio.run(strategy.develop(replace(task, material=material), ask_of(teacher)))
    assert made.error in (None, "not_evolved: breadth")


# --- answers of teachers that don't ---------------------------------------------------------------------

BLOCKS = "### 4\nInstruction: Add.\nInput: 1, 2\nOutput: 3\n\n### 5\nInstruction: Sing.\nInput: <none>\nOutput: La la"
ADD, SING = Candidate("Add.", "1, 2", "3"), Candidate("Sing.", "", "La la")
ITEMS = '[{"instruction": "Add.", "input": "1, 2", "output": "3"}, {"instruction": "Sing.", "output": "La la"}'
DAN = '{"instruction": "Dan'
INCOMPLETE = '{"tasks": [{"instruction": "Add."}, {"output": "x"}, {"instruction": " "}, "Sing."]}'


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Completion(BLOCKS), [ADD, SING]),
        (cut(BLOCKS), [ADD, Candidate("Sing.", "", "La la", truncated=True)]),
        (cut(BLOCKS + "\n\n### 6\nInstruction:"), [ADD, SING]),
        (cut(BLOCKS + "\n\n### 6\nInstruction: Da"), [ADD, SING, Candidate("Da", "", None, truncated=True)]),
        (Completion(f'{{"tasks": {ITEMS}]}}'), [ADD, SING]),
        (cut(f'{{"tasks": {ITEMS}, {DAN}'), [ADD, SING, *lost(f"unreadable_item: {DAN}")]),
        (
            Completion(INCOMPLETE),
            [
                Candidate("Add.", "", None),
                *lost('unreadable_item: {"output": "x"}', 'unreadable_item: {"instruction": " "}'),
                *lost("unreadable_item: Sing."),
            ],
        ),
        (Completion('Instruction: Sort.\nInput: b a\nOutput:\n["a"]'), [Candidate("Sort.", "b a", '["a"]')]),
        (Completion("Sorry, I can't."), []),
        (Completion(""), []),
    ],
)  # fmt: skip
def test_alpaca_reads(answer: Completion, found: list[Candidate], structured: bool) -> None:
    assert build("alpaca", "chat", structured).parse(answer, Material()) == found


def test_alpaca_asks_nothing_more() -> None:
    candidate = Candidate("Add.", "1, 2", "3", truncated=True)
    made = asyncio.run(build("alpaca").develop(candidate, Answers()))
    assert made == made_of([("1, 2", "3")], None, truncated=True, instruction="Add.")


LIST = "9. Name a tree.\n10. Sing a song."
TREE, SONG = Candidate("Name a tree."), Candidate("Sing a song.")


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Completion(LIST), [TREE, SONG]),
        (cut(LIST), [TREE, Candidate("Sing a song.", truncated=True)]),
        (Completion('{"instructions": ["Name a tree.", "Sing a song."]}'), [TREE, SONG]),
        (Completion('["9. Name a tree.", "10. Sing a song."]'), [TREE, SONG]),
        (
            Completion('{"instructions": [{"instruction": "Name a tree.", "id": 9}, {"id": 1}, null, 3]}'),
            [TREE, *lost('unreadable_item: {"id": 1}', "unreadable_item: 3")],
        ),
        (cut('{"instructions": ["Name a tree.", "Sing a so'), [TREE, *lost('unreadable_item: "Sing a so')]),
        (Completion('9. Sort ["b", "a"].\n["c"]'), [Candidate('Sort ["b", "a"]. ["c"]')]),
        (Completion("Sorry, I can't."), []),
    ],
)
def test_self_instruct_reads(answer: Completion, found: list[Candidate], structured: bool) -> None:
    assert build("self_instruct", "chat", structured).parse(answer, Material()) == found


def test_self_instruct_reads_a_continuation() -> None:
    strategy = build("self_instruct", "completions")
    assert strategy.parse(Completion(" Name a tree.\nTask 10: Sing a song."), Material()) == [TREE, SONG]


YES_OR_NO = {
    "en": (["Yes", " yes.", "**Yes**", "Classification: Yes", "Answer:\nYes", "“Yes”"],
           ["No", "no, it", "Classification: No", "Not a classification", "Maybe", "", "N/A"]),
    "zh": (["是", "是的。", "“是”", "是否分类：是", "**是**", "答案：是"],
           ["否", "不是", "是否分类：否", "是否", "不是分类：是一般任务"[:2], "", "“否”"]),
    "de": (["Ja", " ja.", "Klassifikation: Ja", "**Ja**, das ist eine.", "„Ja“"],
           ["Nein", "Nein, keine", "Klassifikation: Nein", "Vielleicht"]),
    "fr": (["Oui", "oui.", "Classification : Oui", "« Oui »"],
           ["Non", "Non, ce n'en est pas une", "Classification : Non", ""]),
    "es": (["Sí", "sí.", "Si", "Clasificación: Sí", "¡Sí!"], ["No", "No lo es", "Clasificación: No", "Quizá"]),
    "ja": (["はい", "はい。", "分類か：はい", "「はい」"],
           ["いいえ", "いいえ、違います", "分類か：いいえ", "分類ではありません"]),
}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_classification_by_the_word(language: str) -> None:
    strategy = self_instruct(language=language)
    yes, no = YES_OR_NO[language]
    assert [answer for answer in yes if not strategy.is_classification(Completion(answer))] == []
    assert [answer for answer in no if strategy.is_classification(Completion(answer))] == []


@pytest.mark.parametrize(
    ("shares", "text", "is_one"),
    [
        ({" Yes": 0.6, " No": 0.4}, " No", True),
        ({" Yes": 0.4, " No": 0.6}, " Yes", False),
        ({" Yes": 0.3, "yes": 0.2, " No": 0.4}, " No", True),
        ({" Y": 0.5, " N": 0.3, "": 0.2}, "", True),
        ({" The": 0.9}, " Yes", True),
        ({" Yes": 0.5, " No": 0.5}, " No", False),
        ({" The": 0.8, " No": 0.1}, " Yes", False),
    ],
)
def test_a_classification_by_its_probability(shares: dict[str, float], text: str, is_one: bool) -> None:
    logprobs = {token: math.log(share) for token, share in shares.items()}
    assert self_instruct("completions").is_classification(Completion(text, logprobs=logprobs)) is is_one


DONE = "Example 1\nInput: b a\nOutput: a b\n\nExample 2\nInput: d c\nOutput: c d"
ONE, OTHER = ("b a", "a b"), ("d c", "c d")
LABELS = "Label: good\nInput: Fine.\nExample 2\nLabel: bad\nInput: Awful."
GOOD, BAD = ("Fine.", "good"), ("Awful.", "bad")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("answers", "made"),
    [
        (("No", DONE), made_of((ONE, OTHER), False)),
        (("No", cut(DONE)), made_of((ONE, OTHER), False, truncated=True)),
        (("No", cut(DONE + "\nInput: f")), made_of((ONE, ("d c", "c d\nInput: f")), False, truncated=True)),
        (("No", cut(DONE + "\n\nExample 3\nInput: f")), made_of((ONE, OTHER, ("f", "")), False, True)),
        (("No", "Output: La.\n1. La\n2. La"), made_of((("", "La.\n1. La\n2. La"),), False)),
        (("No", "I can't."), made_of((), False)),
        (("Yes", LABELS), made_of((GOOD, BAD), True)),
        (("Yes", "Example 1\n" + LABELS), made_of((GOOD, BAD), True)),
        (("Yes", "Label: no\nInput: <none>"), made_of((("", "no"),), True)),
        (("Yes", cut(LABELS)), made_of((GOOD, BAD), True, truncated=True)),
        ((Completion("", error="timeout: 60 s"),), made_of((), None, error="timeout: 60 s")),
        (("Yes", Completion("", error="refusal")), made_of((), None, error="refusal")),
    ],
)
def test_self_instruct_develops(answers: tuple[Completion | str, ...], made: Development, endpoint: str) -> None:
    assert develop(self_instruct(endpoint), *answers) == made


@pytest.mark.parametrize(
    ("answers", "made"),
    [
        (("No", '{"instances": [{"input": "b a", "output": "a b"}]}'), made_of((ONE,), False)),
        (
            ("No", cut('{"instances": [{"input": "b a", "output": "a b"}, {"inp')),
            made_of((ONE,), False, lost=('unreadable_item: {"inp',)),
        ),
        (("Yes", '{"instances": [{"label": "good", "input": "Fine."}]}'), made_of((GOOD,), True)),
        (
            ("Yes", '[{"Output": "good", "input": "Fine."}, "x"]'),
            made_of((GOOD,), True, lost=("unreadable_item: x",)),
        ),
        (("No", DONE), made_of((ONE, OTHER), False)),
    ],
)
def test_self_instruct_develops_from_json(answers: tuple[Completion | str, ...], made: Development) -> None:
    assert develop(self_instruct("chat", structured=True), *answers) == made


def test_no_more_instances_than_asked_for_and_none_that_was_cut() -> None:
    strategy = self_instruct(max_instances=1)
    assert develop(strategy, "No", cut(DONE)) == made_of(
        (ONE,), False, truncated=False, lost=("too_many_instances: 1 beyond the 1 requested",)
    )
    assert re.search(r"up to 1\s+examples", strategy.request_instances("x", False).text)


@pytest.mark.parametrize(
    ("language", "no", "task"),
    [
        *[("en", "No", "Task: Another."), ("zh", "否", "任务：再来一个。"), ("de", "Nein", "Aufgabe: Noch eine.")],
        *[("fr", "Non", "Tâche : Une autre."), ("es", "No", "Tarea: Otra."), ("ja", "いいえ", "タスク：もう一つ。")],
    ],
)
def test_a_continuation_that_runs_on_to_another_task_ends_there(language: str, no: str, task: str) -> None:
    strategy = self_instruct("completions", language=language)
    made = develop(strategy, no, cut(f"{DONE}\n\n{task}\nInput: x\nOutput: y"))
    assert made == made_of((ONE, OTHER), False, truncated=False)


def test_direct_instances_put_the_instruction_itself() -> None:
    asking = Asking("completions", "completions", "completions", direct=True)
    strategy, ask = self_instruct(asking), Answers("No", "Input: fig\npear\n")
    made = asyncio.run(strategy.develop(Candidate("Sort:\npear, fig"), ask))
    assert made == made_of([("", "Input: fig\npear")], False, instruction="Sort:\npear, fig")
    prompt = ask.asked[-1]
    assert [(m.role, m.content) for m in prompt.messages] == [("user", "Sort:\npear, fig")]
    assert (prompt.endpoint, prompt.sampling.stop, prompt.schema) == ("chat", None, None)


def test_the_questions_of_one_task() -> None:
    ask = Answers("Yes", LABELS)
    asyncio.run(self_instruct("completions").develop(Candidate("Rate the\nreview:"), ask))
    assert [prompt.purpose for prompt in ask.asked] == ["classify", "instances"]
    assert ask.asked[0].text.endswith("\n\nTask: Rate the review\nClassification:")
    assert ask.asked[1].text.endswith("\n\nTask: Rate the review\nExample 1\n")


def test_alpaca_is_the_default() -> None:
    assert isinstance(build_strategy(RunConfig.parse({"seeds": "x", "run_dir": "y"}), Asking()), Alpaca)


def test_a_heading_that_runs_into_the_answer_is_not_part_of_it() -> None:
    """As small models write it: the next task's '### 6' on the last line of the output."""
    strategy = Alpaca(RunConfig(seeds="-", run_dir="-"), Asking.over("completions"))
    text = " Describe a cat.\nInput: <none>\nOutput: It purrs. ### 6\nInstruction: Count.\nInput: a b\nOutput: 2 ###"
    found = strategy.parse(Completion(text), Material())
    assert [(task.instruction, task.input, task.output) for task in found] == [
        ("Describe a cat.", "", "It purrs."),
        ("Count.", "a b", "2"),
    ]


def test_a_strategy_previews_the_prompts_that_develop_a_task() -> None:
    assert preview_prompts(build("alpaca"), DEMOS[0].instruction) == ()
    made = self_instruct()
    _, classify, classification, generation = prompts_of(made)
    shown = preview_prompts(made, DEMOS[0].instruction)
    assert [each.prompt for each in shown] == [classify, generation, classification]
    assert [each.title for each in shown] == ["classification", "instances, generation", "instances, classification"]
    assert (task_tokens(build("alpaca")), task_tokens(made)) == (90, 20)


def test_a_strategy_may_leave_out_what_only_the_preview_needs() -> None:
    class Least:
        name = digest = "least"

    least: Any = Least()
    assert (list(preview_prompts(least, "Sort.")), task_tokens(least)) == ([], 60)
