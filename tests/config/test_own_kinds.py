"""A user's own kinds declare options; the configuration sets them, and the run checks them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

import selfinstruct as si
from selfinstruct.core.errors import ConfigError

Make = Callable[..., si.RunConfig]

CODE = """
import selfinstruct as si
from selfinstruct.strategies import Alpaca
from selfinstruct.strategies.alpaca import AlpacaOptions


class ShoutingOptions(AlpacaOptions):
    mark: str = "!"


class Shouting(Alpaca):
    Options = ShoutingOptions

    def __init__(self, config, asking):
        super().__init__(config, asking)
        self.mark = ShoutingOptions.of(config.strategy).mark

    async def develop(self, candidate, ask):
        return si.Development((si.Example.of(candidate.instruction, "", si.Response("Answer" + self.mark)),))


class Plain(Alpaca):
    pass


class RepeatingOptions(si.TeacherOptions):
    repeat: float = 0.0


class Repeating(si.FakeTeacher):
    Options = RepeatingOptions

    def __init__(self, config):
        super().__init__(repeat=RepeatingOptions.of(config.teacher).repeat)


class NoWordOptions(si.FilterOptions):
    word: str


class NoWord:
    Options = NoWordOptions

    def __init__(self, config, options):
        self.word = options.word

    def check(self, candidate):
        return si.Verdict("word") if self.word in candidate.instruction else si.Verdict(None)


class PairOptions(si.FormatOptions):
    joint: str = " / "


def row(record, example, wording):
    return {"pair": record.instruction + PairOptions.of(wording.options).joint + example.output}


Pair = si.Format(row, {"pair": "string"}, Options=PairOptions)
"""


@pytest.fixture(autouse=True)
def _own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_kinds.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("own_kinds", None)


def test_each_kind_reads_its_options(make_config: Make) -> None:
    config = make_config(
        target=10,
        strategy={"kind": "own_kinds:Shouting", "mark": "?!", "seed_demos": 2},
        teacher={"kind": "own_kinds:Repeating", "model": "mine", "repeat": 0.5},
        filters={"custom": [{"kind": "own_kinds:NoWord", "word": "Describe"}]},
        dataset={"formats": [{"kind": "own_kinds:Pair", "joint": " -> "}, "alpaca"]},
    )
    done = si.run(config)
    rows = datasets.load_dataset(str(done.dataset_path), "Pair", split="train")["pair"]
    assert len(rows) == 10
    assert all(text.endswith(" -> Answer?!") and "Describe" not in text for text in rows)
    assert done.status().strategy == "own_kinds:Shouting"
    again = si.export(done, done.path / "again")
    assert datasets.load_dataset(str(again), split="train")["pair"] == rows
    assert si.export(done, done.path / "again") == again, "an export may replace an earlier one"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"strategy": {"kind": "own_kinds:Shouting", "marc": "?"}},
            r"strategy\.marc: unknown option; did you mean 'mark'",
        ),
        ({"strategy": {"kind": "own_kinds:Shouting", "mark": 5}}, r"strategy\.mark: must be text"),
        ({"strategy": {"kind": "own_kinds:Plain", "mark": "?"}}, r"strategy\.mark: unknown option"),
        ({"teacher": {"kind": "own_kinds:Repeating", "model": "m", "repeta": 1.0}}, r"teacher\.repeta: unknown option"),
        ({"filters": {"custom": ["own_kinds:NoWord"]}}, r"filters\.custom\.word: is missing"),
        (
            {"dataset": {"formats": [{"kind": "own_kinds:Pair", "join": "+"}]}},
            r"dataset\.formats\.join: unknown option",
        ),
        (
            {"dataset": {"formats": ["own_kinds:row"]}},
            r"dataset\.formats: own_kinds:row is not a `selfinstruct.Format`",
        ),
    ],
)
def test_a_wrong_option_is_found_before_anything_is_asked(
    make_config: Make, changes: dict[str, Any], message: str
) -> None:
    config = make_config(**changes)
    with pytest.raises(ConfigError, match=message):
        si.check(config)
    assert not Path(config.run_dir).exists()


def test_options_are_kept_for_a_class_passed_in(make_config: Make) -> None:
    import own_kinds  # type: ignore[import-not-found]

    config = make_config(target=3, strategy={"kind": "own_kinds:Shouting", "mark": "??"})
    done = si.run(config, strategy=own_kinds.Shouting)
    assert {record.examples[0].output for record in done.records()} == {"Answer??"}


@pytest.mark.parametrize(
    ("code", "changes", "message"),
    [
        (
            'Odd = si.Format(lambda r, e, w: {"z": e.output}, {"q": "string"})',
            {"dataset": {"formats": ["own_kinds:Odd"]}},
            r"dataset\.formats: a row has the columns z, its features are q",
        ),
        (
            "alpaca = si.Format(row, {'pair': 'string'})",
            {"dataset": {"formats": ["own_kinds:alpaca", "alpaca"]}},
            r"two dataset configs would be called 'alpaca'",
        ),
        (
            "provenance = si.Format(row, {'pair': 'string'})",
            {"dataset": {"formats": ["own_kinds:provenance"]}},
            r"two dataset configs would be called 'provenance'",
        ),
        (
            "class Bare:\n    propose = parse = develop = print\n    def __init__(self, config, asking): ...",
            {"strategy": "own_kinds:Bare"},
            r"strategy: own_kinds:Bare\.name must be str",
        ),
        (
            "class Odd(Plain):\n    def propose(self, material): return 'Write tasks.'",
            {"strategy": "own_kinds:Odd"},
            r"your code, own_kinds:Odd\.propose: must return Prompt \(it returned str\)",
        ),
        (
            "class Odd(Plain):\n    def parse(self, completion, material): return ['a task']",
            {"strategy": "own_kinds:Odd"},
            r"own_kinds:Odd\.parse: must return Candidate \(it returned str\)",
        ),
        (
            "class Odd(Plain):\n    async def develop(self, candidate, ask): pass",
            {"strategy": "own_kinds:Odd"},
            r"own_kinds:Odd\.develop: must return Development \(it returned NoneType\)",
        ),
        (
            "class Odd(Plain):\n    def develop(self, candidate, ask): pass",
            {"strategy": "own_kinds:Odd"},
            r"own_kinds:Odd\.develop: must return Awaitable \(it returned NoneType\)",
        ),
        (
            "class Odd:\n    def __init__(self, config): pass\n    def check(self, candidate): return True",
            {"filters": {"custom": ["own_kinds:Odd"]}},
            r"own_kinds:Odd\.check: must return Verdict \(it returned bool\)",
        ),
        (
            "class Odd:\n    def __init__(self, config): pass\n    async def complete(self, prompt): return 'yes'",
            {"teacher": {"kind": "own_kinds:Odd", "model": "m"}},
            r"own_kinds:Odd\.complete: must return Completion \(it returned str\)",
        ),
        (
            "class Mute:\n    def __init__(self, config): ...",
            {"teacher": {"kind": "own_kinds:Mute", "model": "m"}},
            r"teacher: own_kinds:Mute has no method complete",
        ),
        (
            "class Broken:\n    def __init__(self, config): raise KeyError('a')",
            {"teacher": {"kind": "own_kinds:Broken", "model": "m"}},
            r"teacher: own_kinds:Broken can't be built: KeyError: 'a' \(.*own_kinds\.py:\d+\)",
        ),
    ],
)
def test_a_defect_of_the_users_kind_is_reported_as_such(
    make_config: Make, tmp_path: Path, code: str, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / "own_kinds.py").write_text(f"{CODE}\n{code}\n")
    sys.modules.pop("own_kinds", None)
    with pytest.raises(ConfigError, match=message):
        si.run(make_config(target=3, **changes))


def test_reading_a_configuration_imports_nothing_of_the_users(make_config: Make) -> None:
    config = make_config(strategy={"kind": "not_there:Strategy", "anything": 1})
    assert config.strategy_kind == "not_there:Strategy"
    assert si.RunConfig.parse(config.model_dump(mode="json", exclude_unset=True)) == config
