"""What `magpie` and `plan` ask, and what they read from the answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Asking, Completion, Prompt
from selfinstruct.core.tasks import Candidate, Demonstration, Material
from selfinstruct.strategies.magpie import Magpie
from selfinstruct.strategies.material import View, build_source
from selfinstruct.strategies.planning import Plan

COMPLETIONS = Asking.over("completions")
QWEN = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"


def config(strategy: Any, **changes: Any) -> RunConfig:
    return RunConfig.parse({"seeds": "x", "run_dir": "y", "strategy": strategy} | changes)


def magpie(template: str = "qwen2.5", asking: Asking = COMPLETIONS, **changes: Any) -> Magpie:
    return Magpie(config({"kind": "magpie", "template": template}, **changes), asking)


def answer_of(strategy: Any, task: str) -> Prompt:
    asked: list[Prompt] = []

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        asked.append(prompt)
        return Completion("An answer.", key="d:1")

    asyncio.run(strategy.develop(Candidate(task), ask))
    return asked[0]


# --- magpie -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "opening", "stop"),
    [
        ("qwen2.5", QWEN + "<|im_start|>user\n", "<|im_end|>"),
        ("chatml", "<|im_start|>user\n", "<|im_end|>"),
        ("llama3", "<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
        ("gemma", "<start_of_turn>user\n", "<end_of_turn>"),
        ("mistral", "[INST] ", "[/INST]"),
        ("zephyr", "<|user|>\n", "</s>"),
    ],
)
def test_the_prompt_ends_where_the_users_turn_begins(template: str, opening: str, stop: str) -> None:
    prompt = magpie(template).propose(Material(unit="3"))
    assert (prompt.text, prompt.endpoint, prompt.sampling.stop) == (opening, "completions", (stop,))
    # A server with a fixed seed must not answer every question alike.
    assert prompt.sample == 3


def test_the_task_and_the_facets_are_the_system_message() -> None:
    strategy = magpie(task="exam questions", language="it")
    prompt = strategy.propose(Material(facets={"topic": "tenancy"}))
    system = prompt.text.removeprefix("<|im_start|>system\n").partition("<|im_end|>")[0]
    assert system.splitlines()[1:] == [
        "You help with this: exam questions",
        "The user writes in Italian.",
        "topic of what the user asks for: tenancy",
    ]


def test_the_template_of_a_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer_config.json"
    source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}"
    path.write_text(json.dumps({"chat_template": source, "eos_token": "</s>"}))
    first = magpie(str(path))
    assert first.propose(Material()).text == "[user]"
    path.write_text(json.dumps({"chat_template": source, "eos_token": "<end>"}))
    assert magpie(str(path)).digest != first.digest


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"asking": Asking()}, "strategy: magpie continues a chat template, which takes a completions endpoint"),
        ({"template": "qwen"}, r"strategy\.template: 'qwen' is unknown; did you mean 'qwen2\.5'"),
        ({"template": "no/such.jinja"}, r"strategy\.template: no/such\.jinja: can't be read"),
    ],
)
def test_what_magpie_can_not_work_with(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        magpie(**values)


def test_a_template_without_the_users_words(tmp_path: Path) -> None:
    (tmp_path / "deaf.jinja").write_text("{% for m in messages %}<{{ m.role }}>{% endfor %}")
    with pytest.raises(ConfigError, match="leaves out what the user says"):
        magpie(str(tmp_path / "deaf.jinja")).propose(Material())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Plan a weekend in Ghent for two.", None),
        ("Sort these names: Ada, Grace, Edsger", None),
        ("Write a haiku about rain.\n\nIt must not name water.", None),
        ("of the code and then it stops", "fragment"),
        (", but without sugar.", "fragment"),
        ("Translate the following sentence:", "fragment"),
        ("Sure! Here's a plan for your weekend.", "assistant_voice"),
        ("I'm sorry, but I need more information.", "assistant_voice"),
        ("Hello! How can I assist you today?", "assistant_voice"),
        ("As an AI language model, I have no opinion.", "assistant_voice"),
        ("Q: What is the capital of Japan?\nA: Tokyo", "transcript"),
        ("Can you tell me about tides?\n\nAssistant: Gladly.", "transcript"),
        ("Plan a trip.<|im_end|>\n<|im_start|>assistant\nGladly.", "ran_on"),
    ],
)
def test_what_a_user_would_not_say(text: str, reason: str | None) -> None:
    [candidate] = magpie().parse(Completion(f" {text}\n"), Material())
    assert candidate.instruction == text
    assert (candidate.error or "None").split(":")[0] == str(reason)


def test_the_answer_is_asked_for_with_the_whole_template_or_by_chat() -> None:
    prompt = answer_of(magpie(), "Name a tree.")
    assert prompt.text == QWEN + "<|im_start|>user\nName a tree.<|im_end|>\n<|im_start|>assistant\n"
    assert (prompt.endpoint, prompt.purpose) == ("completions", "answer")
    prompt = answer_of(magpie(asking=Asking(propose="completions")), "Name a tree.")
    assert (prompt.text, prompt.endpoint) == ("Name a tree.", "chat")


def test_no_seed_is_shown_and_each_question_has_a_number() -> None:
    made = config({"kind": "magpie", "template": "qwen2.5"})
    source, view = build_source(made, Magpie(made, COMPLETIONS)), View([Demonstration("a", "Sort.")], ())
    assert [source.draw(number, view) for number in range(2)] == [Material(unit="0"), Material(unit="1")]


# --- plan -------------------------------------------------------------------------------------------

DEMOS = Material((Demonstration("a", "Sort the words.", "pear, fig", "fig, pear"), Demonstration("b", "Name a tree.")))


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_plan_shows_tasks_without_answers_and_asks_for_the_analysis_first(endpoint: Any) -> None:
    prompt = Plan(config("plan"), Asking.over(endpoint)).propose(DEMOS)
    assert prompt.text.endswith("Task: Sort the words.\n\npear, fig\n\nTask: Name a tree.\n\n\nAnalysis:")
    assert prompt.sampling.stop == (("\nTask:",) if endpoint == "completions" else None)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (
            "They sort.\nPlan: numbers\nNew task: Order these: 3, 1.\n\n2 comes last.",
            "Order these: 3, 1.\n\n2 comes last.",
        ),
        ("**Analysis:** ...\n\n**Plan:** New task: later.\n\n**New task:** Order these.", "Order these."),
        ("## Analysis\n...\n## New Task\nOrder these.", "Order these."),
        ('New task: one idea\nNew task: "Order these."', "Order these."),
        ("They sort.\nNew task: Order these.\n\nNew task:", "Order these."),
        ("They sort. Let me think of a new task: maybe.", None),
        ("", None),
    ],
)
def test_only_what_follows_the_last_mark_is_the_task(text: str, task: str | None) -> None:
    found = Plan(config("plan"), Asking()).parse(Completion(text), DEMOS)
    assert [each.instruction for each in found] == ([task] if task else [])
    cut = Plan(config("plan"), Asking()).parse(Completion(text, finish_reason="length"), DEMOS)
    assert all(each.truncated for each in cut)


def test_plan_asks_for_the_answer_as_a_user_would() -> None:
    assert answer_of(Plan(config("plan"), Asking()), "Name a tree.").text == "Name a tree."
    prompt = answer_of(Plan(config("plan"), COMPLETIONS), "Name a tree.")
    assert prompt.text == "Task: Name a tree.\n\nAnswer:"
