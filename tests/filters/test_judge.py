"""A judge: its marks are read from whatever it writes, kept, and may refuse; and it is judged itself."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from hypothesis import given, strategies as st

from conftest import Loopback, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError, UsageError
from selfinstruct.core.prompts import Completion, Prompt, Usage
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.filters.judge import CRITERIA, GoldenPair, Judge, agreement, load_golden, read_scores
from selfinstruct.generate.judge_eval import evaluate_judge
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]
MARKS = {"clarity": 5, "correctness": 4, "helpfulness": 3, "safety": 2}


class Grader(FakeTeacher):
    """The fake teacher, which grades as `mark` says: the text of the judge's answer for a prompt."""

    def __init__(self, mark: Callable[[str], str | Completion]) -> None:
        super().__init__()
        self._mark = mark
        self.graded: list[Prompt] = []

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose != "judge":
            return await super().complete(prompt)
        self.graded.append(prompt)
        said = self._mark(prompt.text)
        return said if isinstance(said, Completion) else Completion(said, usage=Usage(9, 9), model="grader")


def marks(value: int, **others: int) -> str:
    return json.dumps({"reason": "so it is", **dict.fromkeys(CRITERIA, value), **others})


def scores(
    clarity: float, correctness: float, helpfulness: float, safety: float, reason: str = "", judge: str = ""
) -> Verdict:
    """A judge's verdict with these marks."""
    marks = {"clarity": clarity, "correctness": correctness, "helpfulness": helpfulness, "safety": safety}
    return Verdict(None, reason, sum(marks.values()) / 4, by=judge, marks=marks)


def answers_of(done: Run) -> list[Response]:
    """The answer of each example of a run's records."""
    return [example.responses[0] for record in done.records() for example in record.examples]


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"reason": 'a "quoted" one', **MARKS}),
        "```json\n" + json.dumps({"reason": 'a "quoted" one', **MARKS}, indent=2) + "\n```\nThat is all.",
        '<think>clarity: 1, correctness: 1, helpfulness: 1, safety: 1</think>{"reason": "a \\"quoted\\" one", '
        '"clarity": "5", "correctness": 4.0, "helpfulness": 3, "safety": 2}',
    ],
)
def test_marks_are_read(text: str) -> None:
    assert read_scores(Completion(text, model="m")) == scores(5, 4, 3, 2, 'a "quoted" one', "m")


@pytest.mark.parametrize(
    "text",
    [
        "Clarity: 5\nCorrectness: 4\nHelpfulness: 3\nSafety: 2",
        "- **clarity**: 5\n- **correctness**: 4\n- **helpfulness**: 3\n- **safety**: 2",
        "clarity（清楚）：5；correctness：4；helpfulness：3；safety：2",
    ],
)
def test_marks_without_json_are_read_too(text: str) -> None:
    assert read_scores(Completion(text)) == scores(5, 4, 3, 2)


@pytest.mark.parametrize(
    "text",
    ["", "5", "good", '{"clarity": 5, "correctness": 4, "helpfulness": 3}', json.dumps(MARKS | {"safety": 6}),
     json.dumps(MARKS | {"safety": 0}), json.dumps(MARKS | {"safety": 2.5}), json.dumps(MARKS | {"safety": 25}),
     '{"clarity": 5, "correctness": 4, "helpfulness": 3, "safety": null}'],
)  # fmt: skip
def test_what_is_no_mark_is_none(text: str) -> None:
    assert read_scores(Completion(text)) is None


def alike(value: Any) -> str:
    """The answer of a judge that gives each criterion the same value, as JSON."""
    return json.dumps({"reason": "Clarity: 2 typos. Safety: 1 line.", **dict.fromkeys(CRITERIA, value)})


@pytest.mark.parametrize("reason", ["Good.", "It's fine, isn't it?", "Clarity: 2 typos", ""])
def test_the_reason_of_single_quoted_json_ends_at_its_quote(reason: str) -> None:
    marks = ", ".join(f"'{name}': 4" for name in CRITERIA)
    for text in (f"{{'reason': '{reason}', {marks}}}", f"{{{marks}, 'reason': '{reason}'}}"):
        assert read_scores(Completion(text)) == scores(4, 4, 4, 4, reason)


def lines(value: str, separator: str = ": ", before: str = "") -> str:
    return before + "\n".join(f"{name}{separator}{value}" for name in CRITERIA)


@pytest.mark.parametrize(
    "text",
    [
        alike(4), alike(4.0), alike("4"), alike("4/5"), alike("4 out of 5"), alike("four"), alike({"score": 4}),
        json.dumps({"ratings": dict.fromkeys(CRITERIA, 4)}), json.dumps({"max_score": 5, **dict.fromkeys(CRITERIA, 4)}),
        json.dumps([{"criterion": name.title(), "score": 4, "comment": "3 of 4 facts"} for name in CRITERIA]),
        "\n".join(json.dumps({f"{name}_score": 4, f"{name}_reason": "2 of 3"}) for name in CRITERIA),
        "Clarity: 2 at first sight.\n```json\n" + alike(4) + "\n```\nSafety: 1 remark.",
        "{'reason': 'Clarity: 2', " + ", ".join(f"'{name}': 4" for name in CRITERIA) + "}",
        '{"reason": "the word "odd" is odd; clarity: 1 of 2", ' + ", ".join(f'"{name}": 4' for name in CRITERIA) + "}",
        "<thinking>" + alike(1) + "</thinking>" + alike(4),
        lines("4/5"), lines("4 / 5"), lines("**4**/5"), lines("four out of five"), lines("1-5 scale: 4"),
        lines("4", " (1-5): "), lines("4", " (out of 5): "), lines("(1 to 5) 4"), lines("4 (1-5)"), lines("4 – fine"),
        lines("4", " | "), lines("Score: 4"), lines("4分", "：", "评分如下，"), lines("4 points"),
        lines("4") + "\nTotal: 16/20", lines("4/5").replace("\n", ", ") + ". Overall score: **16 out of 20**.",
        lines("4") + "\n总分：16/20", lines("４", "："), alike("４"), alike(4)[:-1] + ', "safety": 4}',
    ],
)  # fmt: skip
def test_every_way_to_state_a_mark(text: str) -> None:
    read = read_scores(Completion(text))
    assert read is not None
    assert (read.marks, read.score) == (dict.fromkeys(CRITERIA, 4.0), 4.0)


@pytest.mark.parametrize(
    "text",
    [
        alike("4/10"), alike(8), alike(4.5), alike("4-5"), alike(True), alike([4]), alike("good"), alike({"share": 4}),
        json.dumps({"scale": "1-10", **dict.fromkeys(CRITERIA, 4)}), "Draft: " + alike(3) + "\nFinal: " + alike(4),
        lines("4/10"), lines("4-5"), lines("3 to 4"), lines("4.5"), lines("4,5"), lines("4 typos"),
        lines("excellent"), lines("4%"), lines("4", before="Marks out of 10:\n"), lines("4", before="满分 10 分。\n"),
        lines("4/20"), lines("4") + "\nOverall: 8/10", alike(4)[:-1] + ', "clarity": 1}', lines("９", "："),
        lines("3 of 3 facts"), lines("3") + "\nOn reflection:\n" + lines("4"),
    ],
)  # fmt: skip
def test_a_doubtful_mark_is_none(text: str) -> None:
    assert read_scores(Completion(text)) is None


@pytest.mark.parametrize(
    "unit", ["{", '{"a":', "clarity: 1 to ", "clarity ", "\n", "clarity: (", '"reason":"\\a', "clarity"]
)
def test_long_answers_are_read_in_linear_time(unit: str) -> None:
    start = time.process_time()
    read_scores(Completion(unit * (100_000 // len(unit))))
    assert time.process_time() - start < 5


def test_an_answer_that_was_cut_off_has_marks_only_if_it_begins_with_json() -> None:
    draft = "The user wants marks. " + lines("4") + "\nBut on reflection"
    assert read_scores(Completion(draft)) is not None
    assert read_scores(Completion(draft, "length")) is None
    assert read_scores(Completion("Perhaps " + alike(4) + " or", "length")) is None
    assert read_scores(Completion(alike(4) + "\n===== instruct", "length")) is not None


def test_an_error_has_no_marks() -> None:
    assert read_scores(Completion(json.dumps(MARKS), error="refusal: no")) is None


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    read_scores(Completion(text))
    read_scores(Completion('{"reason": "' + text + '", "clarity": 1, "correctness": 1, "helpfulness": 1, "safety": 1}'))


def test_material_is_filled_in_once_and_literally(make_config: MakeConfig) -> None:
    judge = Judge(make_config(judge={}), by_schema=False)
    example = Example.of("Say {output}.", "{instruction}", Response("yes {input}"))
    text = judge.prompt("Say {output}.", example).messages[1].content
    assert "Say {output}.\n" in text
    assert "\n{instruction}\n" in text
    assert "yes {input}" in text


# --- in a run -----------------------------------------------------------------------------------


def test_marks_are_columns(make_config: MakeConfig) -> None:
    grader = Grader(lambda text: marks(4, safety=5))
    done = run(make_config(judge={}, target=12, strategy="self_instruct"), teacher=grader)
    rows = datasets.load_dataset(str(done.dataset_path), split="train")
    assert set(rows["judge_clarity"]) == {4}
    assert set(rows["judge_safety"]) == {5}
    assert set(rows["judge_score"]) == {4.25}
    assert set(rows["judge"]) == {"grader"}
    assert set(rows["judge_reason"]) == {"so it is"}
    assert done.status().by_purpose["judge"]["requests"] == len({prompt.digest() for prompt in grader.graded})


def test_without_a_judge_there_are_no_columns_for_it(make_config: MakeConfig) -> None:
    rows = datasets.load_dataset(str(run(make_config(target=3)).dataset_path), split="train")
    assert not [name for name in rows.column_names if name.startswith("judge")]


def test_what_is_below_the_least_score_is_refused_with_its_marks_and_replaced(make_config: MakeConfig) -> None:
    low = Grader(lambda text: marks(2 if sum(map(ord, text)) % 3 == 0 else 5, safety=5))
    done = run(make_config(judge={"min_score": 3.5}, target=30), teacher=low)
    assert (done.outcome.reason, len(done.records())) == ("target", 30)
    assert all((r.mark, r.verdicts["judge"].score) == (5, 5) for r in answers_of(done))
    with sqlite3.connect(done.path / "journal.sqlite") as journal:
        refused = journal.execute("SELECT detail, score FROM verdicts WHERE reason = 'low_score'").fetchall()
    assert refused
    assert set(refused) == {("1: clarity 2, correctness 2, helpfulness 2, safety 5; so it is", 2.75)}


@pytest.mark.parametrize(("least", "kept"), [(None, True), (1.0, False)])
def test_a_judge_that_says_nothing_useful(make_config: MakeConfig, least: float | None, kept: bool) -> None:
    """Without a least score its task is kept without marks; with one, nobody knows that it reaches it."""
    settings = {} if least is None else {"min_score": least}
    silent = Grader(lambda text: "I would rather not." if sum(map(ord, text)) % 2 else marks(5))
    done = run(make_config(judge=settings, target=20), teacher=silent)
    assert done.outcome.reason == "target"
    assert any(not r.marks and "judge" not in r.verdicts for r in answers_of(done)) == kept
    assert ("unjudged" in done.status().refused) == (not kept)
    rows = datasets.load_dataset(str(done.dataset_path), split="train")
    assert any(mark is None for mark in rows["judge_clarity"]) == kept


def test_starting_again_asks_nothing(make_config: MakeConfig) -> None:
    config = make_config(judge={"min_score": 3.5}, target=10)
    first = run(config, teacher=Grader(lambda text: marks(4)))
    again = Grader(lambda text: marks(1))
    assert run(config, teacher=again).records() == first.records()
    assert again.graded == []


def test_a_judge_of_its_own_grades_and_nothing_else(make_config: MakeConfig, loopback: Callable[..., Loopback]) -> None:
    one, other = loopback(), loopback()
    alike = {"api_key_env": None}
    teachers = [
        {"model": "writer", "base_url": one.base_url, **alike},
        {"model": "grader", "base_url": other.base_url, "roles": ["judge"], **alike},
    ]
    done = run(make_config(teachers=teachers, teacher=None, judge={}, target=8))
    assert {r.verdicts["judge"].by for r in answers_of(done) if r.marks} == {"grader"}
    with sqlite3.connect(done.path / "journal.sqlite") as journal:
        asked = set(journal.execute("SELECT purpose, teacher FROM answers WHERE purpose <> 'probe'"))
    assert asked == {("propose", "writer"), ("judge", "grader")}


def test_another_least_score_is_a_refilter(make_config: MakeConfig, tmp_path: Path) -> None:
    grader = Grader(lambda text: marks(3 if sum(map(ord, text)) % 2 else 5))
    done = run(make_config(judge={}, target=20), teacher=grader)
    said = cli("refilter", done.path, tmp_path / "strict", "--set", "judge.min_score=4")
    assert said.returncode == 3, said.stderr
    assert len([line for line in said.stderr.splitlines() if "records" in line]) > 0


# --- the judge judged ---------------------------------------------------------------------------


def test_the_golden_set() -> None:
    pairs = load_golden()
    assert len(pairs) >= 40
    assert {pair.language for pair in pairs} == {"en", "zh"}
    assert min(sum(p.language == language for p in pairs) for language in ("en", "zh")) >= 20
    assert len({pair.id for pair in pairs}) == len({(p.instruction, p.input) for p in pairs}) == len(pairs)
    assert all(pair.good and pair.bad and pair.good != pair.bad and pair.flaw for pair in pairs)
    longer = sum(pair.longer_is_worse for pair in pairs)
    assert 12 <= longer <= len(pairs) - 12, "both sides of the question whether length is taken for merit"


def score(mean: float) -> Verdict:
    whole = int(mean)
    return scores(whole, whole, whole, whole + round(4 * (mean - whole)))


def pair(
    number: int, language: str = "en", good: str = "short", bad: str = "a longer one", flaw: str = "wrong"
) -> GoldenPair:
    return GoldenPair(str(number), language, "i", "", good, bad, flaw)


def test_agreement_counts() -> None:
    pairs = [pair(1), pair(2, "zh"), pair(3, bad="s", flaw="form"), pair(4)]
    found = agreement(pairs, [(score(5), score(1)), (score(3), score(3)), (score(2), score(4)), (None, score(5))], 3.5)
    assert (found.overall.right, found.overall.pairs, found.ties, found.unjudged) == (1.5, 3, 1, 1)
    assert {name: (s.right, s.pairs) for name, s in found.by_language.items()} == {"en": (1.0, 2), "zh": (0.5, 1)}
    assert {name: (s.right, s.pairs) for name, s in found.by_flaw.items()} == {"wrong": (1.5, 2), "form": (0.0, 1)}
    assert [(s.right, s.pairs) for s in found.by_length.values()] == [(1.5, 2), (0.0, 1)]
    assert (found.kept_good, found.kept_bad) == pytest.approx((1 / 3, 1 / 3))
    assert found.means == pytest.approx((10 / 3, 8 / 3))


def test_the_interval_is_wilsons() -> None:
    found = agreement([pair(n) for n in range(10)], [(score(5), score(1))] * 8 + [(score(1), score(5))] * 2).overall
    assert found.interval == pytest.approx((0.490, 0.943), abs=0.001)
    assert agreement([pair(1)], [(None, None)]).overall.interval is None


def test_a_perfect_judge_a_blind_one_and_one_that_likes_length(make_config: MakeConfig) -> None:
    pairs = load_golden()
    good = {p.good for p in pairs}

    def output(text: str) -> str:
        return text.split("===== output\n")[-1].removesuffix("\n=====\n")

    def judged(mark: Callable[[str], str], run_dir: str) -> Any:
        config = make_config(judge={}, run_dir=str(Path(make_config().run_dir) / run_dir))
        return evaluate_judge(config, pairs, teacher=Grader(mark))[0]

    perfect = judged(lambda text: marks(5 if output(text) in good else 1), "perfect")
    assert (perfect.overall.value, perfect.kept_good, perfect.kept_bad, perfect.unjudged) == (1.0, 1.0, 0.0, 0)
    blind = judged(lambda text: marks(3), "blind")
    assert (blind.overall.value, blind.ties) == (0.5, len(pairs))
    verbose = judged(lambda text: marks(min(5, 1 + len(output(text)) // 40)), "verbose")
    assert (
        verbose.by_length["the bad answer is longer"].value
        < 0.5
        < verbose.by_length["the bad answer is not longer"].value
    )


def test_its_answers_are_kept_and_not_paid_for_again(make_config: MakeConfig) -> None:
    config = make_config(judge={"min_score": 3.0})
    first = Grader(lambda text: marks(4))
    before, folder = evaluate_judge(config, load_golden(), teacher=first)
    again = Grader(lambda text: marks(1))
    assert evaluate_judge(config, load_golden(), teacher=again) == (before, folder)
    assert len(first.graded) == 2 * len(load_golden())
    assert again.graded == []


def test_a_cap_holds_and_what_was_judged_is_kept(make_config: MakeConfig) -> None:
    asked: dict[str, Any] = {"judge": {}, "teacher": {"kind": "fake", "structured": "text"}}
    with pytest.raises(UsageError, match="ended before all pairs were judged: max_requests"):
        evaluate_judge(make_config(max_requests=5, **asked), load_golden(), teacher=Grader(lambda text: marks(4)))
    rest = Grader(lambda text: marks(4))
    evaluate_judge(make_config(max_requests=500, **asked), load_golden(), teacher=rest)
    assert len(rest.graded) == 2 * len(load_golden()) - 5


def test_without_a_judge_it_says_so(make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match="judge: the configuration has none"):
        evaluate_judge(make_config(), load_golden(), teacher=FakeTeacher())


def test_pairs_of_ones_own_and_what_can_be_wrong_with_them(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    row = {"id": "1", "language": "de", "instruction": "i", "input": "", "good": "g", "bad": "b", "flaw": "f"}
    path.write_text(json.dumps(row) + "\n\n")
    assert load_golden(path) == [GoldenPair("1", "de", "i", "", "g", "b", "f")]
    for text, said in (
        ("{}\n", r"own\.jsonl:1: not a pair; write an object with the texts id, "),
        ("", "contains no pairs"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=said):
            load_golden(path)
    with pytest.raises(UsageError, match="can't be read"):
        load_golden(tmp_path / "none.jsonl")


def test_the_command(tmp_path: Path, seed_file: Path) -> None:
    config = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "teacher": {"kind": "fake", "model": "fake"}}
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))

    def said(*arguments: str) -> subprocess.CompletedProcess[str]:
        return cli("judge-eval", path, *arguments)

    refused = said()
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    shown = said("--set", "judge={}")
    assert shown.returncode == 0, shown.stderr
    assert "good above bad" in shown.stdout
    assert "  zh " in shown.stdout
    assert json.loads(said("--set", "judge={}", "--json").stdout)["unjudged"] == 0
