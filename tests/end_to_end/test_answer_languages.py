"""`answer_languages`: asked for by name wherever an answer is asked for, and accepted by filter, judge, and card."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import selfinstruct as si
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.language_tags import OWN
from selfinstruct.core.prompts import Asking, Message, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Candidate, Demonstration, Material
from selfinstruct.filters import build_checks, describe_filters
from selfinstruct.filters.evaluation_sets import EvaluationSets
from selfinstruct.filters.judge import Judge, PairwiseJudge, comparison_digest, rubric_digest
from selfinstruct.strategies import SelfInstruct, build_strategy
from selfinstruct.teachers.fake.teacher import FakeTeacher

NAMED = {
    "en": "French or Korean",
    "zh": "法文或韩文",
    "de": "Französisch oder Koreanisch",
    "fr": "français ou coréen",
    "es": "francés o coreano",
    "ja": "フランス語または韓国語",
    "it": "French or Korean",
    "de-AT": "Französisch oder Koreanisch",
}
YES = {"zh": "是", "de": "Ja", "fr": "Oui", "es": "Sí", "ja": "はい"}
DEMOS = (Demonstration("a", "Sort the words.", "pear, fig", "fig, pear"),)


def config(language: str, wanted: tuple[str, ...] = ("fr", "ko"), **changes: Any) -> si.RunConfig:
    values = {"seeds": "x", "run_dir": "y", "language": language, "answer_languages": list(wanted)}
    return si.RunConfig.parse(values | changes)


def answered(strategy: Any, yes: str) -> list[Prompt]:
    """The prompts that `develop` sends to a teacher that says yes."""
    asked: list[Prompt] = []

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> si.Completion:
        asked.append(prompt)
        return si.Completion(yes, key="d:1")

    asyncio.run(strategy.develop(Candidate("Sort the words.", material=Material(DEMOS)), ask))
    return asked


@pytest.mark.parametrize("language", NAMED)
@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_every_request_for_answers_names_their_languages(language: str, endpoint: Any) -> None:
    asking, named = Asking.over(endpoint), NAMED[language]
    alpaca = build_strategy(config(language), asking).propose(Material(DEMOS))
    assert alpaca.messages[0].content.count(named) == 1
    two_steps = build_strategy(config(language, strategy="self_instruct"), asking)
    assert isinstance(two_steps, SelfInstruct)
    assert named not in two_steps.propose(Material(DEMOS)).text + two_steps.classify("Sort.").text
    for kind in (True, False):
        assert two_steps.request_instances("Sort.", kind).messages[0].content.count(named) == 1
    for name in ("evolve", "plan"):
        *_, answer = answered(build_strategy(config(language, strategy=name), asking), YES.get(language[:2], "Yes"))
        assert answer.purpose == "answer"
        assert answer.text.count(named) == 1
        assert answer.messages[-1].content.endswith("Sort the words." if endpoint == "chat" else (":", "："))


def test_a_direct_answer_has_the_rule_as_its_system_message() -> None:
    asking = Asking("completions", "completions", "completions", direct=True)
    strategy = build_strategy(config("de", strategy="self_instruct"), asking)
    assert isinstance(strategy, SelfInstruct)
    system, user = strategy.request_instances("Sort.", False).messages
    assert (system.role, user) == ("system", Message("user", "Sort."))
    assert NAMED["de"] in system.content


@pytest.mark.parametrize("language", NAMED)
def test_the_judge_expects_them(language: str) -> None:
    example = Example.of("Sort.", "", Response("fig"))
    with_key, without = config(language), config(language, ())
    marks, pair = (kind(with_key, by_schema=False) for kind in (Judge, PairwiseJudge))
    assert NAMED[language] in marks.prompt("Sort.", example).messages[0].content
    assert NAMED[language] in pair.prompt(example, Response("a"), Response("b")).messages[0].content
    for digest in (rubric_digest, comparison_digest):
        assert len({digest(with_key), digest(without), digest(config(language, ("ko",)))}) == 3


def test_the_filter_of_answers_accepts_them() -> None:
    pytest.importorskip("lingua")
    made = config("de", ("en",), filters={"answer_languages": ["de"]})
    described = describe_filters(made, EvaluationSets(), build_checks(made))
    assert "answer_languages de, en" in described["answer checks"]
    # The key alone doesn't need the extra, and rejects nothing.
    made = config("de", ("en",))
    assert "answer_languages" not in describe_filters(made, EvaluationSets(), build_checks(made))["answer checks"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["german"], "must be a language tag; write de"),
        (["any"], r"names languages, such as \[de, en\]"),
        ("de", "answer_languages: must be a list"),
    ],
)
def test_a_wrong_language_is_one_clear_line(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        si.RunConfig.parse({"seeds": "x", "run_dir": "y", "answer_languages": given})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("asking", [Asking(), Asking.over("completions")])
def test_samples_are_asked_for_in_the_language_and_records_keep_the_task_alone(tmp_path: Path, asking: Asking) -> None:
    class Teacher(FakeTeacher):
        def __init__(self) -> None:
            super().__init__()
            self.asking, self.asked = asking, list[Prompt]()

        async def complete(self, prompt: Prompt) -> si.Completion:
            self.asked.append(prompt)
            return await super().complete(prompt)

    seeds = tmp_path / "s.jsonl"
    seeds.write_text('{"instruction": "Nenne einen Fluss in Europa.", "output": "Die Elbe."}\n', encoding="utf-8")
    teacher = Teacher()
    values = {"seeds": str(seeds), "run_dir": str(tmp_path / "run"), "target": 5}
    made = config("de", ("en",), **values, answers={"samples": 2, "until": "all"})
    records = list(si.run(made, teacher=teacher).records())
    asked = [prompt for prompt in teacher.asked if prompt.purpose == "answer"]
    assert asked
    assert all(prompt.text.startswith("Antworte auf Englisch, wenn die Aufgabe nicht") for prompt in asked)
    assert "Antworte auf" not in "".join(m.content for r in records for e in r.examples for m in e.messages)
    card = (tmp_path / "run" / "dataset" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1])["language"] == ["de", "en"]
    assert "answers were requested in `en`" in card


def test_a_prompt_file_of_your_own_gets_the_sentence_too(tmp_path: Path) -> None:
    from selfinstruct.core.shipped import shipped_text

    path = tmp_path / "own.yaml"
    path.write_text(shipped_text("selfinstruct.strategies", "prompts", "de.yaml"), encoding="utf-8")
    own = build_strategy(config("de", ("en",), strategy={"kind": "alpaca", "prompts": str(path)}), Asking())
    assert own.propose(Material(DEMOS)) == build_strategy(config("de", ("en",)), Asking()).propose(Material(DEMOS))


def test_all_languages_have_the_same_sentences() -> None:
    from selfinstruct.core.shipped import shipped_yaml

    sentences = shipped_yaml("selfinstruct.core", "language_tags.yaml")["answers"]
    assert set(sentences) == set(OWN)
    for words in sentences.values():
        assert {key: re.findall(r"\{\w+\}", text) for key, text in words.items()} == {
            "or": [], "outputs": ["{language}", "{answers}"], "rule": ["{answers}"], "judged": ["{answers}"],
        }  # fmt: skip
