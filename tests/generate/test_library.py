"""The public functions: what the command line does, from Python."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import selfinstruct as si
from selfinstruct.core.errors import ConfigError, UsageError
from selfinstruct.strategies import Alpaca

Make = Callable[..., si.RunConfig]


class Mine(Alpaca):
    """A strategy of the caller's."""


class Broken(Alpaca):
    def __init__(self, config: si.RunConfig, asking: si.Asking) -> None:
        raise KeyError("a defect of the caller's")


def make_mine(config: si.RunConfig, asking: si.Asking) -> Alpaca:
    return Mine(config, asking)


def test_dir_shows_the_public_names() -> None:
    names = {"check", "preview", "status", "write_report", "refilter", "export", "explain", "run", "arun"}
    assert names | {"Teacher", "Strategy", "Filter", "Ask", "RunConfig", "__version__"} <= set(dir(si))
    assert all(getattr(si, name) is not None for name in dir(si))


def test_help_shows_the_options() -> None:
    doc = si.run.__doc__ or ""
    assert all(f"{name}:" in doc for name in si.RunOptions.__annotations__)


def test_an_unknown_option_is_named(make_config: Make) -> None:
    with pytest.raises(UsageError, match="no option 'teachr'; did you mean 'teacher'"):
        si.run(make_config(), teachr=None)  # type: ignore[call-arg]


def test_run_works_inside_an_event_loop_and_prints_nothing(
    make_config: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    async def notebook() -> si.Run:
        return si.run(make_config(target=5))

    done = asyncio.run(notebook())
    assert "5 of 5 records" in repr(done)
    assert str(done.path) in repr(done)
    assert capfd.readouterr() == ("", "")


def test_the_functions_of_the_command_line(make_config: Make, tmp_path: Path) -> None:
    config = make_config(target=5)
    expected = si.check(config)
    assert expected.estimate.requests > 0
    assert expected.rows["target"] == "5 records"
    titles = [title for title, _ in si.preview(config, 1)]
    assert titles == ["proposal 0"]
    done = si.run(config)
    assert si.status(done.path).records == 5
    assert si.write_report(done.path).is_file()
    assert (si.export(done, tmp_path / "out", formats=["alpaca"]) / "README.md").is_file()
    assert si.explain(done, done.records()[0].id)
    stricter = si.refilter(done.path, tmp_path / "strict", ["max_similarity=0.6"])
    assert stricter.config.max_similarity == 0.6


@pytest.mark.parametrize("way", ["class", "factory", "object"])
def test_a_strategy_passed_in_is_named_everywhere(make_config: Make, tmp_path: Path, way: str) -> None:
    config = make_config(target=3)
    given: Any = {"class": Mine, "factory": make_mine, "object": Mine(config, si.Asking())}[way]
    done = si.run(config, strategy=given)
    name = f"{__name__}:{'make_mine' if way == 'factory' else 'Mine'}"
    assert done.status().strategy == name
    assert "Stanford Alpaca" not in (done.dataset_path / "README.md").read_text(encoding="utf-8")
    assert done.status().records == 3
    again = si.refilter(done.path, tmp_path / "again", strategy=given)
    assert again.config.strategy_kind == name
    assert yaml.safe_load((tmp_path / "again" / "config.yaml").read_text())["strategy"]["kind"] == name


class Critical(Alpaca):
    """Asks twice for a critique of each task, then revises it."""

    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        for round in range(2):
            await ask(si.Prompt("critique", (si.Message("user", f"{round}: {candidate.instruction}"),), si.Sampling()))
        revised = await ask(si.Prompt("revise", (si.Message("user", candidate.instruction),), si.Sampling()))
        return si.Development((si.Example.of(candidate.instruction, "", si.Response(revised.text)),))


@pytest.mark.parametrize("given", ["library.yaml", {"seeds": "a"}])
def test_what_is_no_configuration_is_refused(given: Any) -> None:
    for function in (si.run, si.check, si.preview):
        with pytest.raises(ConfigError, match=r"pass a RunConfig; RunConfig\.load reads a file"):
            function(given)


def test_check_shows_the_objects_passed_in(make_config: Make) -> None:
    config = make_config(target=3, teacher={"model": "gpt-4o-mini"})
    expected = si.check(config, teacher=si.FakeTeacher())
    assert expected.rows["teacher"] == "gpt-4o-mini (passed in)"
    assert not any("OPENAI_API_KEY" in note for note in expected.notes)
    with pytest.raises(ConfigError, match="must be 0 to 1"):
        si.export(si.run(config, teacher=si.FakeTeacher(), progress=None), test_share=2)
    with pytest.raises(ConfigError, match="pass an object, not the name"):
        si.check(config, strategy="alpaca")


def test_check_counts_the_requests_that_develop_makes(make_config: Make) -> None:
    shares = {share.purpose: share for share in si.check(make_config(target=30), strategy=Critical).estimate.shares}
    assert (shares["critique"].requests, shares["revise"].requests) == (60, 30)
    assert [title for title, _ in si.preview(make_config(), 1, strategy=Critical)] == [
        "proposal 0", "critique", "critique", "revise",
    ]  # fmt: skip
    assert shares["critique"].usage.prompt_tokens > 0 < shares["critique"].usage.completion_tokens


def test_a_strategy_that_can_not_be_imported_is_asked_for(make_config: Make, tmp_path: Path) -> None:
    class Local(Alpaca):
        pass

    done = si.run(make_config(target=3), strategy=Local)
    with pytest.raises(ConfigError, match="strategy"):
        si.refilter(done.path, tmp_path / "again")
    assert si.refilter(done.path, tmp_path / "again", strategy=Local).status().records == 3


def test_a_defect_in_the_callers_class_is_reported_with_its_place(make_config: Make) -> None:
    with pytest.raises(ConfigError, match=rf"{__name__}:Broken can't be built: KeyError.*{Path(__file__).name}:\d+"):
        si.run(make_config(), strategy=Broken)
    with pytest.raises(ConfigError, match="has no method propose, parse, develop"):
        si.run(make_config(), strategy=lambda config, asking: object())
