"""Mistakes in the user's own code: one line that names the code and says what is expected, never a bug of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import ROOT, cli_process

Values = dict[str, Any]


class Good:
    name, digest = "good", "good-1"
    seed_demos, machine_demos, tasks_per_question = 1, 0, 1

    def __init__(self, config: si.RunConfig, asking: si.Asking) -> None: ...

    def propose(self, material: si.Material) -> si.Prompt:
        return si.Prompt("propose", (si.Message("user", material.demos[0].instruction),), si.Sampling(max_tokens=50))

    def parse(self, completion: si.Completion, material: si.Material) -> list[si.Candidate]:
        return [si.Candidate(f"Explain this sentence: {completion.text}")]

    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        return si.Development((si.Example.of(candidate.instruction, "", si.Response("It is about a harbor.")),))


class NoExample(Good):
    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        return si.Development((si.Response("x"),))  # type: ignore[arg-type]


class NoTuple(Good):
    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        return si.Development(si.Example.of("x", "", si.Response("y")))  # type: ignore[arg-type]


class Negative(Good):
    seed_demos = -4


class OldParse(Good):
    def parse(self, completion: si.Completion) -> list[si.Candidate]:  # type: ignore[override]
        return []


class NotAsync:
    def __init__(self, config: si.RunConfig) -> None: ...

    def check_answer(self, candidate: si.Candidate, example: si.Example, ask: si.Ask) -> si.Verdict:
        return si.Verdict()


class TooFew:
    def __init__(self, config: si.RunConfig) -> None: ...

    async def check_answer(self, candidate: si.Candidate, example: si.Example) -> si.Verdict:
        return si.Verdict()


class NoReason:
    def __init__(self, config: si.RunConfig) -> None: ...

    async def check_answer(self, candidate: si.Candidate, example: si.Example, ask: si.Ask) -> si.Verdict:
        return si.Verdict(len(example.output) < 3)  # type: ignore[arg-type]


class Sentence:
    def __init__(self, config: si.RunConfig) -> None: ...

    def check(self, candidate: si.Candidate) -> si.Verdict:
        return si.Verdict("Too few words!")


STRATEGIES: dict[type, str] = {
    NoExample: "NoExample.develop: Development.examples: must return Example (it returned Response)",
    NoTuple: "NoTuple.develop: Development.examples: must return tuple (it returned Example)",
    Negative: "Negative.seed_demos must be a number of 0 or more",
    OldParse: "OldParse.parse(completion: 'si.Completion') -> 'list[si.Candidate]' must accept (completion, material)",
}
FILTERS: dict[type, str] = {
    NotAsync: "NotAsync.check_answer: must return Awaitable (it returned Verdict)",
    TooFew: "TooFew.check_answer(candidate: 'si.Candidate', example: 'si.Example') -> 'si.Verdict' must accept "
    "(candidate, example, ask)",
    NoReason: "NoReason.check_answer: a reason is None or a name such as 'too_short' (it is False)",
    Sentence: "Sentence.check: a reason is None or a name such as 'too_short' (it is 'Too few words!')",
}


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., si.RunConfig]:
    def made(**changes: Any) -> si.RunConfig:
        values = {
            "seeds": str(ROOT / "seeds" / "demo.jsonl"),
            "run_dir": str(tmp_path / "run"),
            "target": 3,
            "strategy": f"{__name__}:Good",
            "teacher": {"kind": "fake"},
        }
        return si.RunConfig.parse(values | changes)

    return made


def test_the_good_one_runs(config: Callable[..., si.RunConfig]) -> None:
    assert len(si.run(config()).records()) == 3


@pytest.mark.parametrize(("kind", "message"), STRATEGIES.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_strategy(config: Callable[..., si.RunConfig], kind: type, message: str) -> None:
    with pytest.raises(si.ConfigError) as caught:
        si.run(config(strategy=f"{__name__}:{kind.__name__}"))
    assert message in str(caught.value)


@pytest.mark.parametrize(("kind", "message"), FILTERS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_check(config: Callable[..., si.RunConfig], kind: type, message: str) -> None:
    with pytest.raises(si.ConfigError) as caught:
        si.run(config(filters={"custom": [f"{__name__}:{kind.__name__}"]}))
    assert message in str(caught.value)


def test_comparisons_need_answers_and_give_no_marks(config: Callable[..., si.RunConfig]) -> None:
    with pytest.raises(si.ConfigError, match=r"judge\.compare: compares several answers; set answers\.samples above 1"):
        config(judge={"compare": True})
    several = {"samples": 3, "until": "all"}
    with pytest.raises(si.ConfigError, match=r"judge\.min_score: a comparison gives no marks; remove this key"):
        config(judge={"compare": True, "min_score": 3}, answers=several)
    assert config(judge={"compare": True}, answers=several).judge is not None


def test_modules_are_found_next_to_the_configuration(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    (home / "critique.py").write_text((ROOT / "examples" / "critique.py").read_text())
    lines = [f"seeds: {ROOT}/seeds/demo.jsonl", "run_dir: run", "teacher: {kind: fake}", "strategy: critique:Critique"]
    (home / "config.yaml").write_text("\n".join(lines))
    assert cli_process("check", home / "config.yaml", cwd=elsewhere).returncode == 0
    done = cli_process("check", home / "config.yaml", "--set", "strategy=critic:Critique", cwd=elsewhere)
    assert done.returncode == 2
    assert "put the file next to the configuration file" in done.stderr
    (home / "broken.py").write_text("import re\nimport ree\n")
    done = cli_process("check", home / "config.yaml", "--set", "strategy=broken:Critique", cwd=elsewhere)
    assert f"No module named 'ree' ({home / 'broken.py'}:2)" in done.stderr
