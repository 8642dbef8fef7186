"""A user's own kinds declare options; the configuration sets them, and the run checks them."""

from __future__ import annotations

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
        return si.Development((si.Instance("", "Answer" + self.mark),))


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


def row(example, wording):
    return {"pair": example.instruction + PairOptions.of(wording.options).joint + example.output}


Pair = si.Format(row, {"pair": "string"}, Options=PairOptions)
"""


@pytest.fixture(autouse=True)
def _own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_kinds.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)


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
            r"strategy\.marc: unknown option; one of prompts, .*mark",
        ),
        ({"strategy": {"kind": "own_kinds:Shouting", "mark": 5}}, r"strategy\.mark: must be a valid string"),
        ({"strategy": {"kind": "own_kinds:Plain", "mark": "?"}}, r"strategy\.mark: unknown option"),
        ({"teacher": {"kind": "own_kinds:Repeating", "model": "m", "repeta": 1.0}}, r"teacher\.repeta: unknown option"),
        ({"filters": {"custom": ["own_kinds:NoWord"]}}, r"filters\.custom\.word: Field required"),
        (
            {"dataset": {"formats": [{"kind": "own_kinds:Pair", "join": "+"}]}},
            r"dataset\.formats\.join: unknown option",
        ),
        ({"dataset": {"formats": ["own_kinds:row"]}}, r"dataset\.formats: own_kinds:row is not a Format"),
    ],
)
def test_a_wrong_option_is_found_before_anything_is_asked(
    make_config: Make, changes: dict[str, Any], message: str
) -> None:
    config = make_config(**changes)
    with pytest.raises(ConfigError, match=message):
        si.check(config)
    assert not Path(config.run_dir).exists()


def test_reading_a_configuration_imports_nothing_of_the_users(make_config: Make) -> None:
    config = make_config(strategy={"kind": "not_there:Strategy", "anything": 1})
    assert config.strategy_kind == "not_there:Strategy"
    assert si.RunConfig.parse(config.model_dump(mode="json", exclude_unset=True)) == config
