"""What a student trial says in words."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfinstruct.cli.app import app
from selfinstruct.worth.trial import ArmEffect, Interval, PairEffect, Trial

NOTHING = Interval(0.0, -0.1, 0.1)
MORE = Interval(0.2, 0.1, 0.3)
LESS = Interval(-0.2, -0.3, -0.1)


def trial(control_loses: Interval) -> Trial:
    arms = [ArmEffect(name, 300, 9000, LESS, NOTHING) for name in ("a", "b")]
    control = ArmEffect("control", 300, 9000, LESS, LESS)
    return Trial(arms, control, [PairEffect("a", "b", NOTHING, MORE)], 200, {}, 3, "tiny", control_loses)


@pytest.mark.parametrize(("estimate", "is_decided"), [(NOTHING, False), (MORE, True), (LESS, True)])
def test_an_estimate_is_decided_if_its_interval_excludes_0(estimate: Interval, is_decided: bool) -> None:
    assert estimate.is_decided is is_decided


def test_the_verdict_is_that_of_the_pairing_gap() -> None:
    pair = PairEffect("a", "b", d_nll=MORE, d_gap=MORE)
    assert pair.line.startswith("answers of b belong to their tasks more than those of a (difference of d_gap +0.200")
    assert replace(pair, d_gap=LESS).line.startswith("answers of a belong to their tasks more than those of b")
    assert replace(pair, d_gap=NOTHING).line.startswith("the student can't tell a and b apart")


@pytest.mark.parametrize(("control_loses", "is_valid"), [(MORE, True), (NOTHING, False), (LESS, False)])
def test_a_trial_is_valid_only_if_its_control_loses(control_loses: Interval, is_valid: bool) -> None:
    found = trial(control_loses)
    assert found.is_valid is is_valid
    assert found.line.startswith("valid" if is_valid else "INVALID")


def test_a_trial_begins_with_what_it_can_not_tell() -> None:
    assert "could not separate" in trial(MORE).cannot_tell


@pytest.mark.skipif(find_spec("torch") is not None, reason="the extra 'student' is installed")
def test_without_the_extra_the_command_says_so_at_once(tmp_path: Path) -> None:
    trial = tmp_path / "trial"
    done = CliRunner().invoke(
        app, ["worth", "no.jsonl", "none.jsonl", "--student", "smollm2-135m", "--trial", str(trial)]
    )
    assert done.exit_code == 2
    assert "pip install 'selfinstruct[student]'" in done.stderr
    assert not trial.exists()
