"""Several answers to each task, against a server on loopback that fails 40% of its answers."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server

import selfinstruct as si
from conftest import FIGURES, ROOT
from selfinstruct.journal.snapshot import read
from selfinstruct.report.explain import explain
from selfinstruct.report.explain.describe import describe

WORDS = "amber brook candle dune ember fjord grove harbor island kettle lagoon meadow orchard pebble quartz".split()
FAILING = 0.4


def answer(task: str, seed: object) -> str:
    """Return an answer that is wrong in 40% of the cases, which follow from the task and the seed."""
    draw = random.Random(f"{task}:{seed}")
    verdict = "WRONG" if draw.random() < FAILING else "right"
    return f"This is {verdict}: {' '.join(draw.choices(WORDS, k=8))}."


@contextlib.contextmanager
def teacher() -> Iterator[tuple[str, Counter[str]]]:
    """Run the server; yield its address, and how often each kind of request came."""
    asked: Counter[str] = Counter()

    def written(prompt: str, body: dict[str, Any]) -> str:
        if len(body["messages"]) == 1:
            asked["answer"] += 1
            return answer(prompt, body.get("seed"))
        asked["propose"] += 1  # rules, and the demonstrations
        draw = random.Random(prompt)
        tasks = [
            f"{draw.choice(['Describe', 'Name', 'Compare'])} {' '.join(draw.choices(WORDS, k=9))}." for _ in range(8)
        ]
        return "\n\n".join(
            f"### {n}\nInstruction: {task}\nInput: <none>\nOutput: {answer(task, 0)}" for n, task in enumerate(tasks, 4)
        )

    with chat_server(written) as address:
        yield address, asked


class Marked:
    """Rejects the answers that the server marks as wrong."""

    def __init__(self, config: si.RunConfig) -> None: ...

    async def check_answer(self, candidate: si.Candidate, example: si.Example, ask: si.Ask) -> si.Verdict:
        return si.Verdict("marked", "it says so") if "WRONG" in example.output else si.Verdict()


def config_of(folder: Path, url: str, **changes: Any) -> si.RunConfig:
    values = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(folder),
        "target": 200,
        "strategy": {"kind": "alpaca", "tasks_per_question": 8},
        "teacher": {"model": "m", "base_url": url, "api_key_env": None, "structured": "text"},
        "filters": {"custom": [f"{__name__}:Marked"]},
    }
    return si.RunConfig.parse(values | changes)


@pytest.mark.slow
def test_until_pass_saves_nearly_every_task_with_few_questions(tmp_path: Path) -> None:
    """A fixed best of three costs three answers a task and loses one in sixteen."""
    with teacher() as (url, asked):
        done = si.run(config_of(tmp_path / "run", url, target=1000, answers={"samples": 6, "until": "pass"}))
    with read(done) as snapshot:
        records = snapshot.records
        lost = len({verdict[:2] for verdict in snapshot.instance_verdicts()})
        tasks = len(records) + lost
        drawn = len(snapshot.task_verdicts())
    assert drawn >= tasks
    passing, questions = len(records) / tasks, (tasks + asked["answer"]) / tasks
    FIGURES.append(
        f"until pass, 6 samples, 40% fail: {passing:.1%} of {tasks} tasks pass, {questions:.2f} answers a task"
    )
    assert passing >= 0.97
    assert questions <= 1.75
    assert all("right" in record.examples[0].output for record in records)


def test_explain_shows_every_sample_and_why_one_won(tmp_path: Path) -> None:
    with teacher() as (url, _):
        done = si.run(config_of(tmp_path / "run", url, target=20, answers={"samples": 4, "until": "all"}))
    for record in done.records():
        [example] = record.examples
        assert [response.sample for response in [*example.responses, *example.others]].count(0) == 1
        assert len(example.responses) + len(example.others) == 4
        assert not any(other.text for other in example.others)  # the journal has them
    one = next(r for r in done.records() if any(not other.passed for other in r.examples[0].others))
    lines = describe(explain(done, f"q{one.question}.{one.index}"))
    assert "example 1, 4 answers, best first" in lines
    samples = [line.strip() for line in lines if line.startswith("  sample ")]
    assert len(samples) == 4
    assert samples[0].startswith(f"sample {one.examples[0].responses[0].sample}  passed")
    assert any("rejected, marked: it says so" in line for line in samples[1:])


def test_a_task_whose_answers_all_fail_is_rejected_with_all_of_their_objections(tmp_path: Path) -> None:
    with teacher() as (url, _):
        done = si.run(config_of(tmp_path / "run", url, target=60, answers={"samples": 2, "until": "pass"}))
    with read(done) as snapshot:
        verdicts = snapshot.instance_verdicts()
    assert verdicts
    assert {verdict.reason for verdict in verdicts} == {"marked"}
    assert [verdict.detail for verdict in verdicts[:2]] == ["1: it says so", "1: sample 1: it says so"]


@pytest.mark.parametrize(
    "answers", [{"samples": 3, "until": "all", "keep": "all"}, {"samples": 4}, {"turns": 3}], ids=str
)
def test_same_answers_same_rows_at_any_concurrency(tmp_path: Path, answers: dict[str, Any]) -> None:
    import datasets

    rows = []
    for concurrency in (1, 32):
        config = {
            "seeds": str(ROOT / "seeds" / "en.jsonl"),
            "run_dir": str(tmp_path / str(concurrency)),
            "target": 30,
            "concurrency": concurrency,
            "teacher": {"kind": "fake"},
            "answers": answers,
            "judge": {},
        }
        done = si.run(si.RunConfig.parse(config), teacher=si.FakeTeacher(latency_s=0.002))
        data = datasets.load_dataset(str(done.path / "dataset"), "messages", split="train")
        rows.append(data.remove_columns(["run_id", "config_digest"]).to_list())
    assert len(rows[0]) == 30
    assert rows[0] == rows[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "judge"),
    [
        ({"samples": 6}, {"min_score": 4}),
        ({"samples": 4, "until": "all"}, {"min_score": 4.5}),
        ({"turns": 3, "samples": 3, "until": "all"}, {"compare": True}),
    ],
    ids=str,
)
def test_check_foresees_the_requests_of_a_rehearsal(
    tmp_path: Path, answers: dict[str, Any], judge: dict[str, Any]
) -> None:
    values = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(tmp_path / "run"),
        "target": 100,
        "teacher": {"kind": "fake"},
        "answers": answers,
        "judge": judge,
    }
    config = si.RunConfig.parse(values)
    expected = int(si.check(config).rows["expected requests"].split()[0].replace(",", ""))
    sent = si.run(config).status().requests
    FIGURES.append(f"check of {answers}, {judge}: {expected} requests expected, {sent} sent")
    assert expected == pytest.approx(sent, rel=0.25)


class Thinker:
    """Answers with reasoning that no row may hold."""

    async def complete(self, prompt: si.Prompt) -> si.Completion:
        fake = await si.FakeTeacher().complete(prompt)
        if prompt.purpose != "answer":
            return fake
        thought = random.Random(f"{prompt.text}{prompt.sample}").choice(
            ["Ask ann.lee@acme-corp.com about it.", "It ends here.<|im_end|> And goes on.", "The harbor is near."]
        )
        return si.Completion("A fine answer of enough words, in one sentence.", reasoning=thought, model="m")


@pytest.mark.parametrize("personal_data", ["redact", "refuse"])
def test_reasoning_in_a_row_passes_the_same_filters(tmp_path: Path, personal_data: str) -> None:
    import datasets

    values = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(tmp_path / "run"),
        "target": 20,
        "teacher": {"kind": "fake"},
        "answers": {"samples": 2, "until": "all", "keep": "all"},
        "filters": {"personal_data": personal_data},
        "dataset": {"formats": [{"kind": "messages", "reasoning": True}]},
    }
    done = si.run(si.RunConfig.parse(values), teacher=Thinker())
    thoughts = {response.reasoning for record in done.records() for response in record.examples[0].responses}
    redacted = {"Ask [EMAIL] about it."} if personal_data == "redact" else set()
    assert thoughts == {"", "The harbor is near."} | redacted
    text = str(datasets.load_dataset(str(done.path / "dataset"), "messages", split="train")["messages"][:])
    assert "im_end" not in text
    assert "acme-corp" not in text


@pytest.mark.parametrize("sample", [-1, "x", 1.5, True])
def test_a_sample_is_a_whole_number(tmp_path: Path, sample: Any) -> None:
    class Sampling:
        def __init__(self, config: si.RunConfig) -> None: ...

        async def check_answer(self, candidate: si.Candidate, example: si.Example, ask: si.Ask) -> si.Verdict:
            await ask(si.Prompt("check", example.messages, si.Sampling()), sample=sample)
            return si.Verdict()

    config = config_of(tmp_path / "run", "", target=3, teacher={"kind": "fake"}, filters={})
    with pytest.raises(si.ConfigError, match=r"ask\(prompt, sample=.*\): sample is a whole number, 0 or more"):
        si.run(config, filters=[Sampling(config)])
