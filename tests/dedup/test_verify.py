"""`dedup --verify`: rouge-score decides again, and a search that decides otherwise is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_dedup import CHINESE, brute_force, rows_of, sentences, write

from conftest import cli
from selfinstruct import deduplicate
from selfinstruct.core.errors import SelfInstructError, UsageError
from selfinstruct.novelty import Join, Joined

TEXTS = [*sentences(150, seed=3), *CHINESE, "Name naïve rivers.", "NAME naïve rivers!"]


@pytest.mark.parametrize("equal", [False, True])
def test_every_decision_of_mixed_scripts_is_confirmed(tmp_path: Path, equal: bool) -> None:
    given, held_out = write(tmp_path / "in.jsonl", rows_of(TEXTS)), sentences(20, seed=8)
    against = write(tmp_path / "against.jsonl", rows_of(held_out))
    done = deduplicate(
        given, tmp_path / "out.jsonl", against=[against], threshold=0.5, refuse_equal=equal, verify=10_000
    )
    stay, refused = brute_force(TEXTS, held_out, 0.5, equal)
    assert done.verified is not None
    assert (done.verified.admitted, done.verified.refused) == (len(stay), len(refused))
    assert done.verified.difference == 0
    assert 0.3 < done.verified.highest <= 0.5
    assert done.verified.other_letters == sum(not text.isascii() for text in TEXTS)


def test_half_of_the_decisions_are_about_each_kind_as_far_as_there_are_as_many(tmp_path: Path) -> None:
    texts = [f"{word} {word}" for word in "one two three four five six".split()]
    given = write(tmp_path / "in.jsonl", rows_of([*texts, "one one", "two two"]))
    for count, kinds in ((2, (1, 1)), (4, (2, 2)), (7, (5, 2)), (100, (6, 2))):
        done = deduplicate(given, tmp_path / "out.jsonl", verify=count, overwrite=True)
        assert done.verified is not None
        assert (done.verified.admitted, done.verified.refused) == kinds
    assert deduplicate(given, tmp_path / "out.jsonl", overwrite=True).verified is None


def test_further_rows_of_a_task_are_no_decisions(tmp_path: Path) -> None:
    ids = ["a1b2c3d4-0-0", "a1b2c3d4-0-0.1", "a1b2c3d4-1-0"]
    rows = [{"id": id, "run_id": "a1b2c3d4", "instruction": "Name a river."} for id in ids]
    done = deduplicate(write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", verify=9)
    assert done.verified is not None
    assert (done.admitted, done.verified.admitted, done.verified.refused) == (2, 1, 1)


def _keep(joined: Joined) -> None:
    joined.admitted[2] = True  # as if the search had missed a near-duplicate


def _leave_out(joined: Joined) -> None:
    joined.admitted[1], joined.nearest[1], joined.score[1] = False, 0, 0.8


def _misjudge(joined: Joined) -> None:
    joined.score[2] = 0.9


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        (_keep, r"row 3 of \S+in.jsonl: was kept, but rouge-score finds F 1.0000, to row 1 of \S+in.jsonl"),
        (_leave_out, r"row 2 of \S+in.jsonl: was left out with F 0.8000, but rouge-score finds nothing similar"),
        (_misjudge, r"row 3 of \S+in.jsonl: was left out with F 0.9000, but rouge-score finds F 1.0000, to row 1"),
    ],
)
def test_a_wrong_decision_ends_the_command_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defect: Callable[[Joined], None], message: str
) -> None:
    run = Join.run

    def wrong(join: Join, progress: Callable[[int, int], None]) -> Joined:
        joined = run(join, progress)
        assert np.array_equal(joined.admitted, [True, True, False])
        defect(joined)
        return joined

    monkeypatch.setattr(Join, "run", wrong)
    given = write(tmp_path / "in.jsonl", rows_of(["Name a river.", "List hills", "name a RIVER"]))
    with pytest.raises(SelfInstructError, match=message) as raised:
        deduplicate(given, tmp_path / "out.jsonl", verify=3)
    assert raised.value.exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]


def test_the_command_reports_what_was_confirmed(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(["Name a river.", "name a RIVER", "Name a long river.", CHINESE[0]]))
    done = cli("dedup", "in.jsonl", "out.jsonl", "--verify", "9", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert rows["verified"].strip() == "rouge-score agrees with 4 decisions: 2 admitted, 2 refused"
    assert rows["its scores"].strip() == "of an admitted row at most 0.0000; of a refused row at most 0 from ours"
    assert rows["other letters"].strip().startswith("in 1 text;")
    assert len([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]) == 2
    with pytest.raises(UsageError, match="verify: -1 is below 0"):
        deduplicate(tmp_path / "in.jsonl", tmp_path / "other.jsonl", verify=-1)
