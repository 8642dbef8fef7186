"""A dataset is a function of answers and of what people decided: rejected records are replaced, edits stay."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_kill import _dataset_bytes, _values, answers_in, start
from test_loop import Recorder, changed, grow

from conftest import RECORD, Loopback, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.records import Record, Response, Reviewed
from selfinstruct.core.reviews import (
    Review,
    apply,
    audits_of,
    checked_edit,
    cohens_kappa,
    content_of,
    digest_of,
    standing,
    wilson_interval,
)
from selfinstruct.core.tasks import Verdict
from selfinstruct.dataset import to_dataset
from selfinstruct.generate.refilter import refilter
from selfinstruct.generate.start import run as run_start
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.journal.journal import Journal
from selfinstruct.journal.snapshot import read
from selfinstruct.report.explain import explain

MakeConfig = Callable[..., RunConfig]


def decision(record: Record, verdict: str = "accept", reviewer: str = "anna", **others: Any) -> Review:
    content = others.pop("content", content_of(record))
    return Review(digest_of(content), reviewer, verdict, content, **others)


def rejected(record: Record, reason: str = "wrong_output", **others: Any) -> Review:
    return decision(record, "reject", reasons=(reason,), **others)


def with_answer(record: Record, text: str, **others: Any) -> Review:
    edit = content_of(record)
    edit["examples"][0]["answer"] = text
    return decision(record, edit=edit, **others)


def review(run: Run, *reviews: Review) -> None:
    with contextlib.closing(Journal(run.path / JOURNAL)) as journal:
        journal.reviews.commit(reviews)


def outputs(run: Run) -> list[tuple[str, str]]:
    return [(each.instruction, each.examples[0].output) for each in run.records()]


# --- what holds -----------------------------------------------------------------------------------


def test_undo_takes_back_the_last_decision_of_the_same_reviewer() -> None:
    one, two = decision(RECORD), rejected(RECORD)
    undo = decision(RECORD, "undo")
    other = rejected(RECORD, reviewer="ben")
    assert standing([one, two])[one.digest] == [two]
    assert standing([one, two, undo])[one.digest] == [one]
    assert standing([one, two, undo, undo, undo]) == {}
    assert standing([one, other, undo])[one.digest] == [other]


def test_one_rejection_rejects_and_the_last_edit_counts() -> None:
    first, second = with_answer(RECORD, "Paris."), with_answer(RECORD, "It is Paris.", reviewer="ben")
    verdict = apply(RECORD, [first, rejected(RECORD, reviewer="cy", note="not about geography")])
    assert verdict == Verdict("wrong_output", "cy: not about geography")
    edited = apply(RECORD, [first, second])
    assert isinstance(edited, Record)
    assert [each.output for each in edited.examples] == ["It is Paris.", "Lima"]
    assert edited.reviewed == Reviewed(first.digest, ("anna", "ben"), "ben")


def test_a_digest_is_that_of_the_texts_alone() -> None:
    from dataclasses import replace

    assert digest_of(content_of(replace(RECORD, id="other-9-9", question=9))) == digest_of(content_of(RECORD))
    other = replace(RECORD, instruction="Name the capital city.")
    assert digest_of(content_of(other)) != digest_of(content_of(RECORD))


def test_an_alternative_that_a_person_chooses_stays_the_teachers_and_beats_the_others() -> None:
    from dataclasses import replace

    answers = tuple(Response(text, "fake", sample) for sample, text in enumerate(("Paris", "Lyon", "Rome")))
    record = replace(RECORD, examples=(replace(RECORD.examples[0], responses=answers),))
    chosen = apply(record, [with_answer(record, "Rome")])
    assert isinstance(chosen, Record)
    assert [each.text for each in chosen.examples[0].responses] == ["Rome", "Paris", "Lyon"]
    assert chosen.examples[0].responses[0].beats == (0, 1)
    assert chosen.reviewed is not None
    assert chosen.reviewed.edited_by == ""


def test_what_was_known_of_a_text_is_not_claimed_of_an_edited_one() -> None:
    from dataclasses import replace

    judged = Response("Paris", "fake", reasoning="hm", marks={"clarity": 5.0}, verdicts={"judge": Verdict(score=5.0)})
    record = replace(RECORD, examples=(replace(RECORD.examples[0], responses=(judged,)),))
    edited = apply(record, [with_answer(record, "Paris, France")])
    assert isinstance(edited, Record)
    answer = edited.examples[0].responses[0]
    assert (answer.marks, dict(answer.verdicts), answer.reasoning, answer.teacher) == ({}, {}, "", "fake")


@pytest.mark.parametrize(
    "edit",
    [
        None,
        [],
        {"instruction": "x"},
        {"instruction": "x", "examples": []},
        {"instruction": 5, "examples": content_of(RECORD)["examples"]},
        {"instruction": " ", "examples": content_of(RECORD)["examples"]},
        {"instruction": "x", "examples": [{"messages": [], "input": "", "answer": " "}] * 2},
    ],
)
def test_an_edit_of_another_form_is_refused(edit: Any) -> None:
    with pytest.raises(UsageError, match=r"^edit: "):
        checked_edit(edit, content_of(RECORD))


def test_an_edit_of_instruction_and_input_makes_the_prompt() -> None:
    edit = content_of(RECORD) | {"instruction": "Name the largest city.\ud800"}
    edit["examples"][0]["input"] = "Italy"
    assert checked_edit(edit, content_of(RECORD))["examples"][0]["messages"] == [
        ["user", "Name the largest city.?\n\nItaly"]
    ]


def test_intervals_and_kappa_are_those_of_the_literature() -> None:
    low, high = wilson_interval(0.81, 100)
    assert (round(low, 4), round(high, 4)) == (0.7222, 0.8749)
    assert wilson_interval(1.0, 5)[1] == 1.0
    # Cohen's example of two readers of 50 proposals: 20 both yes, 15 both no, 5 and 10 differ.
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    assert cohens_kappa([(True, True)] * 3) is None
    assert cohens_kappa([]) is None


# --- a run with reviews ---------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])
def test_a_rejected_record_is_replaced_and_an_edited_one_says_so(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=20)
    run = grow(config, export=True)
    before = run.records()
    review(run, rejected(before[3]), with_answer(before[5], "A person's answer."), decision(before[0]))

    again = grow(config, export=True)

    records = again.records()
    assert len(records) == 20
    assert [each.id for each in records[:19]] == [each.id for each in before if each is not before[3]]
    assert records[4].examples[0].output == "A person's answer."
    rows = to_dataset(again, "alpaca")
    assert rows["edited_by"] == ["anna" if n == 4 else None for n in range(20)]
    assert rows["reviewed_by"] == [["anna"] if n in (0, 4) else [] for n in range(20)]
    assert rows[4]["output"] == "A person's answer."
    card = (again.dataset_path / "README.md").read_text()
    assert "people reviewed 2 of them" in card
    assert "accepted 2 of the 20 records, and wrote texts of 1 of them" in card
    assert "| - rejected by reviewers | 1 |" in card
    assert again.status().refused["wrong_output"] == 1
    assert "review" in str(explain(again, f"q{before[3].question}.{before[3].index}"))


def test_the_next_start_asks_only_for_what_is_missing_and_then_rests(make_config: MakeConfig) -> None:
    config, teacher = make_config(target=20), Recorder()
    run = grow(config, teacher, export=True)
    asked = len(teacher.asked)
    assert run_start(config, progress=None).idle
    review(run, *map(rejected, run.records()[:9]))
    assert not run_start(config, progress=None).idle
    assert run_start(config, progress=None).idle
    review(run, decision(run.records()[0]))
    assert not run_start(config, progress=None).idle, "the card states what was reviewed"
    assert len(Run(run.path).records()) == 20
    keys = _keys(run)
    assert len(keys) >= asked
    assert len(keys) == len(set(keys))


def _keys(run: Run) -> list[str]:
    with contextlib.closing(sqlite3.connect(run.path / JOURNAL)) as db:
        return [key for (key,) in db.execute("SELECT key FROM answers")]


def test_undoing_restores_the_dataset(make_config: MakeConfig) -> None:
    config = make_config(target=15)
    run = grow(config, export=True)
    before, rows = run.records(), _dataset_bytes(run.path)
    for verdict in ("reject", "undo"):
        review(run, *(decision(each, verdict, reasons=("unwanted",)) for each in before[:5]))
        grow(config, export=True)
    assert Run(run.path).records() == before
    assert _dataset_bytes(run.path) == rows


def test_rejections_are_no_sign_of_a_poor_teacher(make_config: MakeConfig) -> None:
    config = make_config(target=60, min_yield=0.5, min_yield_window=20)
    run = grow(config)
    review(run, *map(rejected, run.records()))
    again = grow(config)
    assert (again.outcome.reason, len(again.records())) == ("target", 60)


def test_a_rejected_task_still_counts_for_novelty(make_config: MakeConfig) -> None:
    config = make_config(target=20)
    run = grow(config)
    gone = run.records()[2]
    review(run, rejected(gone))
    assert gone.instruction not in [each.instruction for each in grow(config).records()]
    with read(run.path) as snapshot:
        stages = [each.stage for each in snapshot.verdicts_on(gone.question, gone.index)]
    assert sorted(stages) == ["admission", "review"]


def test_edits_and_rejections_survive_growth_refilter_and_export(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(target=20)
    run = grow(config, export=True)
    before = run.records()
    review(run, rejected(before[3]), with_answer(before[5], "A person's answer."))
    grown = grow(changed(config, target=30), export=True)
    fork = refilter(run.path, tmp_path / "refiltered", ["max_similarity=0.65", "target=15"])
    exported = cli("export", run.path, "--format", "alpaca", "--output", tmp_path / "out")
    assert exported.returncode == 0, exported.stderr
    for each in (grown, fork):
        texts = outputs(each)
        assert (before[5].instruction, "A person's answer.") in texts
        assert before[3].instruction not in [instruction for instruction, _ in texts]
    assert "A person's answer." in to_dataset(grown, "alpaca")["output"]
    # A record with other texts is presented again.
    with read(fork.path) as snapshot:
        known = snapshot.journal.reviews.standing()
    assert len(known) == 2


def test_the_texts_that_were_reviewed_decide_not_the_place(make_config: MakeConfig) -> None:
    config = make_config(target=15)
    run = grow(config)
    before = outputs(run)
    content = content_of(run.records()[0])
    content["examples"][0]["answer"] = "What the record said in another run."
    review(run, rejected(run.records()[0], content=content))
    assert outputs(grow(config)) == before


def test_an_older_journal_gets_the_table_when_it_is_reviewed(make_config: MakeConfig) -> None:
    config = make_config(target=5)
    run = grow(config)
    with contextlib.closing(sqlite3.connect(run.path / JOURNAL)) as db:
        db.execute("DROP TABLE reviews")
        db.commit()
    with read(run.path) as snapshot:
        assert snapshot.journal.reviews.all() == []
        assert snapshot.journal.reviews.count() == 0
    review(run, rejected(run.records()[0]))
    assert len(grow(config).records()) == 5


def test_reviews_may_arrive_while_a_run_works(make_config: MakeConfig) -> None:
    """The start keeps to what it has read; its dataset is not sealed, so the next one applies the rest."""
    config = make_config(target=20)
    first = grow(config, export=True).records()[0]
    config = changed(config, target=30)
    come = False

    def arriving(prompt: Any, number: int) -> None:
        nonlocal come
        if not come:
            come = True
            review(Run(config.run_dir), rejected(first))

    grow(config, Recorder(arriving), export=True)
    assert come
    assert first in Run(config.run_dir).records()
    later = run_start(config, progress=None)
    assert not later.idle
    assert first.id not in [each.id for each in later.records()]
    assert len(later.records()) == 30


@pytest.mark.slow
def test_same_dataset_with_reviews_killed_or_not(
    loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path
) -> None:
    """Reject and edit records of a finished run; starts that are killed fill the places like one that isn't."""
    folder, server, log = tmp_path / "killed", loopback(latency_s=0.02), tmp_path / "log"
    values = _values(server, seed_file, folder, 16, target=60)
    run = run_start(RunConfig.parse(values), progress=None)
    draw, decided = random.Random(7), list[Review]()
    for record in run.records():
        if draw.random() < 0.6:
            decided.append(rejected(record) if draw.random() < 0.7 else with_answer(record, f"Mine, {record.index}."))
    review(run, *decided)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(values))
    kills = 0
    while kills < 3:
        before, process = answers_in(folder), start(config, log)
        while process.poll() is None and answers_in(folder) <= before:
            pass
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert start(config, log).wait(120) == 0, log.read_text()[-2000:]
    assert kills

    unbroken = tmp_path / "straight"
    straight_values = _values(loopback(), seed_file, unbroken, 3, target=60)
    review(run_start(RunConfig.parse(straight_values), progress=None), *decided)
    straight = run_start(RunConfig.parse(straight_values), progress=None)
    assert len(straight.records()) == 60
    assert straight.records() == Run(folder).records()
    assert _dataset_bytes(unbroken) == _dataset_bytes(folder)


def test_the_card_states_what_a_random_sample_showed(make_config: MakeConfig) -> None:
    config = make_config(target=20)
    run = grow(config, export=True)
    records, audit = run.records(), "10 of 20, seed 42"
    mine = [decision(each, audit=audit) for each in records[:8]]
    mine += [rejected(each, audit=audit) for each in records[8:10]]
    theirs = [decision(each, audit=audit, reviewer="ben") for each in records[:9]]
    theirs += [rejected(records[9], "invalid_instruction", audit=audit, reviewer="ben")]
    review(run, *mine, *theirs)
    (found,) = audits_of([*mine, *theirs])
    assert found.lines == [
        "anna: 8 of 10 all valid, 80.0% (95% interval 49.0% to 94.3%), 2 wrong_output; sample of 10 of 20, seed 42",
        "ben: 9 of 10 all valid, 90.0% (95% interval 59.6% to 98.2%), 1 invalid_instruction; sample of 10 of 20, "
        "seed 42",
        "anna and ben agree on 9 of 10, Cohen's kappa 0.62",
    ]
    card = (grow(config, export=True).dataset_path / "README.md").read_text()
    assert all(line in card for line in found.lines)
