"""Facets: cells are drawn by what is missing, shown in the prompt, and covered, whatever the timing."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import FIGURES, ROOT, cli
from selfinstruct.core.errors import ConfigChanged, ConfigError
from selfinstruct.core.facets import CellDraw, Drawn, coverage, dimensions_of
from selfinstruct.core.prompts import Completion, Prompt, Usage
from selfinstruct.core.records import Record
from selfinstruct.dataset.linguistics import finder_for, verb_nouns
from selfinstruct.report.page import figures_of

TOPICS = ["rivers", "bridges", "birds", "clocks", "bread"]
KINDS = {"question": 2, "summary": 1, "plan": 1}
FACETS = {"topic": TOPICS, "kind": KINDS}
VERBS = "Explain Compare Sketch Rank Outline Defend Translate Question Improve Review Draft Simplify".split()
NOUNS = "ferry sermon pulley recipe glacier harp ledger orchard violin canal torch marble garden comet".split()
ENDINGS = "for a friend|by noon|in rhyme|as a list|without numbers|with one picture in words|under pressure".split("|")


class Follower:
    """A scripted teacher: one task by the cell that the prompt asks for, and a few favorite ones if it asks for none.

    It has a verb of its own for each topic and kind. delay: whether answers arrive out of order.
    """

    def __init__(self, *, delay: bool = False, silent: Mapping[str, str] | None = None) -> None:
        self.delay, self.silent = delay, silent or {}
        self.prompts: list[Prompt] = []
        self.tokens = 0

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose == "probe":
            return Completion("{}")
        self.prompts.append(prompt)
        number = len(self.prompts)
        if self.delay:
            await asyncio.sleep(random.Random(number).random() / 500)
        cell = dict(re.findall(r"^- (topic|kind|persona|difficulty): (.*)$", prompt.messages[-1].content, re.MULTILINE))
        draw = random.Random(prompt.text)
        text = "I can't." if self._is_silent(cell) else self._task(cell, draw)
        self.tokens += len(prompt.text) // 4 + len(text) // 4
        return Completion(text, usage=Usage(len(prompt.text) // 4, len(text) // 4))

    def _is_silent(self, cell: Mapping[str, str]) -> bool:
        return bool(self.silent) and self.silent.items() <= cell.items()

    def _task(self, cell: Mapping[str, str], draw: random.Random) -> str:
        """A task: steered, its verb and noun belong to the cell; unsteered, they are the teacher's favorites."""
        place = random.Random(str(sorted(cell.items()))) if cell else draw
        verb, noun = place.choice(VERBS), place.choice(NOUNS) if cell else draw.choice(NOUNS[:2])
        verb = verb if cell else draw.choice(VERBS[:4])
        task = f"{verb} the {noun} {draw.choice(ENDINGS)} ({draw.randrange(10**9)} {' '.join(cell.values())})."
        return f"### 4\nInstruction: {task}\nInput: <none>\nOutput: It is about {task}\n"


def config_of(folder: Path, **changes: Any) -> si.RunConfig:
    values = {
        "seeds": str(ROOT / "seeds" / "demo.jsonl"),
        "run_dir": str(folder),
        "target": 60,
        "strategy": {"kind": "alpaca", "tasks_per_question": 1},
        "teacher": {"kind": "fake", "structured": "text"},
        "facets": FACETS,
        "max_similarity": 1.0,
    }
    return si.RunConfig.parse(values | changes)


def shares(records: list[Record], *names: str) -> dict[tuple[str, ...], float]:
    counts = Counter(tuple(record.facets[name] for name in names) for record in records)
    return {cell: count / len(records) for cell, count in counts.items()}


def questions(values: dict[str, Any], count: int, lookahead: int = 64, exclude: Any = (), tasks: Any = None) -> Any:
    """The dimensions, and so many questions drawn for them. tasks: how many a cell brings, by default 1."""
    dimensions = dimensions_of(
        {name: v if isinstance(v, dict) else dict.fromkeys(v, 1.0) for name, v in values.items()}, exclude
    )
    draw, asked = CellDraw(dimensions), list[Drawn]()
    for number in range(count + lookahead):
        if number >= lookahead:
            cell = asked[number - lookahead].facets
            asked[number - lookahead] = Drawn(cell, 1 if tasks is None else tasks(cell))
        draw.follow(asked)
        asked.append(Drawn(draw.draw(f"0:{number}")))
    return dimensions, asked[:count]


# --- drawing ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_thousand_records_cover_every_cell_the_same_at_any_concurrency(tmp_path: Path) -> None:
    def records(concurrency: int, target: int) -> list[Record]:
        config = config_of(tmp_path / str(concurrency), target=target, concurrency=concurrency)
        return si.run(config, teacher=Follower(delay=concurrency > 1), progress=None, export=False).records()

    one, many = records(1, 300), records(64, 1000)
    assert one == many[:300]
    assert len(many) == 1000
    found = shares(many, "topic", "kind")
    weights = {(topic, kind): weight / 20 for topic in TOPICS for kind, weight in KINDS.items()}
    off = {cell: found.get(cell, 0) / weight - 1 for cell, weight in weights.items()}
    FIGURES.append(f"facets: 15 cells of 1,000 records are at most {max(map(abs, off.values())):.1%} off their weight")
    assert max(map(abs, off.values())) < 0.2


@pytest.mark.parametrize(
    "values",
    [
        {
            "topic": [f"t{n}" for n in range(40)],
            "persona": [f"p{n}" for n in range(70)],
            "level": {"a": 5, "b": 3, "c": 2},
        },
        {"a": [f"t{n}" for n in range(30)], "b": {"x": 7, "y": 3}, "c": {"u": 7, "v": 3}},
    ],
)
def test_each_of_many_values_is_covered_and_pairs_are_independent(values: dict[str, Any]) -> None:
    dimensions, asked = questions(values, 1400)
    rows = coverage(dimensions, asked, [each.facets for each in asked])
    assert all(abs(row.obtained / row.requested - 1) < 0.1 for row in rows if row.requested)
    *_, second, third = dimensions
    for (one, share), (other, further) in itertools.product(second.cells.items(), third.cells.items()):
        both = sum(each.facets[second.names[0]] == one[0] and each.facets[third.names[0]] == other[0] for each in asked)
        assert both == pytest.approx(1400 * share * further, rel=0.2, abs=8)


def test_a_cell_that_brings_little_is_asked_more_often() -> None:
    draw = random.Random(0)
    dimensions, asked = questions(
        {"topic": TOPICS}, 600, tasks=lambda cell: int(cell["topic"] != "birds" or draw.random() < 0.3)
    )
    rows = {row.value: row for row in coverage(dimensions, asked, [e.facets for e in asked for _ in range(e.admitted)])}
    assert rows["birds"].questions > 2 * rows["clocks"].questions
    assert all(row.obtained == pytest.approx(0.2, rel=0.2) for row in rows.values())


def test_a_starved_cell_is_given_up_and_its_share_goes_to_the_others(tmp_path: Path) -> None:
    silent = {"topic": "birds", "kind": "plan"}
    config = config_of(tmp_path / "run", target=150, lookahead=16)
    teacher = Follower(silent=silent)
    done = si.run(config, teacher=teacher, progress=None)
    records = done.records()
    asked = sum("topic: birds" in p.text and "kind: plan" in p.text for p in teacher.prompts)
    assert 10 <= asked <= 10 + 16
    assert len(records) == 150
    found = shares(records, "topic")
    assert all(share == pytest.approx(0.2, rel=0.2) for share in found.values())

    # It is reported, and why: in the report, on the card, by `status`.
    page = si.write_report(done).read_text()
    rows = figures_of(done).coverage
    [starved] = [row for row in rows if row.starved]
    assert (starved.facet, starved.value, starved.records) == ("topic, kind", "birds, plan", 0)
    assert starved.requested == pytest.approx(0.05)
    assert "starved: the last 10 questions or more brought no task" in page
    assert "topic, kind: 12 of 15 within 20% of their share" in page
    card = (done.dataset_path / "README.md").read_text()
    assert "| topic and kind | birds and plan | 5.0% | 0.0% | 0 | starved" in card
    status = cli("status", done.path).stdout
    assert re.search(r"facets +20 of 23 within 20% of their share\n +topic, kind, birds, plan +starved", status)


def test_excluded_cells_never_occur_and_the_others_keep_their_weights() -> None:
    values = {"level": {"easy": 1, "hard": 1}, "persona": ["child", "nurse", "cook"], "topic": TOPICS}
    dimensions, asked = questions(values, 500, exclude=[{"level": "hard", "persona": "child"}])
    assert [dimension.names for dimension in dimensions] == [("level", "persona"), ("topic",)]
    pairs = Counter((each.facets["level"], each.facets["persona"]) for each in asked)
    assert ("hard", "child") not in pairs
    assert all(count == pytest.approx(100, rel=0.05) for count in pairs.values())
    assert len(pairs) == 5


def test_fifty_thousand_questions_cost_no_more_each() -> None:
    draw, asked = CellDraw(dimensions_of({"topic": dict.fromkeys(TOPICS, 1.0)})), list[Drawn]()

    def seconds(count: int) -> float:
        began = time.process_time()
        for number in range(count):
            draw.follow(asked)
            asked.append(Drawn(draw.draw(str(number)), 1))
        return time.process_time() - began

    first = seconds(2000)
    asked += [Drawn({"topic": TOPICS[n % 5]}, 1) for n in range(46_000)]
    draw.follow(asked)
    assert seconds(2000) < 3 * first


def test_a_facet_that_a_source_draws_itself_is_in_the_map(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", strategy="evolve", target=10, lookahead=4, facets=None)
    done = si.run(config, progress=None, export=False)
    rows = figures_of(done).coverage
    assert {row.facet for row in rows} == {"operator"}
    assert sum(row.records for row in rows) == len(done.records()) > 0
    assert all(row.requested is None and row.questions for row in rows)


# --- verification -------------------------------------------------------------------------------


class Judging(Follower):
    """Says which topic and kind it sees in a task; takes plans for summaries."""

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose != "judge":
            return await super().complete(prompt)
        self.prompts.append(prompt)
        task, _, choices = prompt.text.partition("Its ")
        task = task.replace("plan)", "summary)")
        fits = [
            n
            for n, value in re.findall(r"^(\d+)\. (.*)$", choices, re.MULTILINE)
            if f" {value}" in task.partition("(")[2].replace(")", " ")
        ]
        return Completion(fits[0] if fits else "none of them")


def test_a_judge_says_what_a_sample_of_the_records_is_about(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", target=80, lookahead=8, facets=FACETS | {"verify": 0.25})
    expected = si.check(config)
    assert expected.rows["facets"] == "15 combinations"
    assert expected.rows["  kind"] == "question 50.0%, summary 25.0%, plan 25.0%"
    foreseen = {share.purpose: share.requests for share in expected.estimate.shares}
    assert foreseen["judge"] == 40  # two facets of 20 records
    teacher = Judging()
    done = si.run(config, teacher=teacher, progress=None)
    records = done.records()
    sampled = [record for record in records if "judged_topic" in record.labels]
    assert 10 <= len(sampled) <= 30
    assert all(record.labels["judged_topic"] == record.facets["topic"] for record in sampled)
    asked = [prompt.text for prompt in teacher.prompts if prompt.purpose == "judge"]
    assert not any("is to be as follows" in text for text in asked)
    assert len({text.partition("Its topic:")[2] for text in asked if "Its topic" in text}) > 3  # in another order each

    # The confusions are on the report.
    judged = {(row.facet, row.value): row for row in figures_of(done).judged}
    plans = judged["kind", "plan"]
    assert (plans.agree, [other.name for other in plans.others]) == (0, ["summary"])
    assert judged["kind", "question"].agree == judged["kind", "question"].sampled
    assert "topic: a judge sees what was asked for in 100.0%" in si.write_report(done).read_text()
    assert "judged_topic" in done.dataset_path.joinpath("README.md").read_text()

    # A replay asks nothing, and a new generation that verifies nothing leaves the labels as they are.
    again = Judging()
    more = config.model_copy(update={"target": 90, "facets": config_of(tmp_path).facets})
    grown = si.run(more, teacher=again, progress=None, new_generation=True)
    assert grown.records()[:80] == records
    assert not any(prompt.purpose == "judge" for prompt in again.prompts)


# --- growth -------------------------------------------------------------------------------------


class Listing(Follower):
    """Lists topics when it is asked for them."""

    def __init__(self, text: str = "1. Tides\n2. Lighthouses\n3. Tides\n4. Knots.\n5. Charts") -> None:
        super().__init__()
        self.text, self.asked = text, 0

    async def complete(self, prompt: Prompt) -> Completion:
        if 'values of "topic"' not in prompt.text:
            return await super().complete(prompt)
        self.asked += 1
        return Completion(self.text)


def test_a_teacher_lists_the_topics_once(tmp_path: Path) -> None:
    facets = {"topic": {"grow": 4}, "kind": ["question", "plan"], "verify": 0.2}
    config = config_of(tmp_path / "run", facets=facets, target=24, lookahead=4)
    assert si.check(config).rows["  topic"] == "4 values, which a teacher will list"

    # Only the list: then `check` shows it, before anything else is paid for.
    first = Listing()
    si.run(config.model_copy(update={"max_requests": 1}), teacher=first, progress=None, export=False)
    assert (first.asked, len(first.prompts)) == (1, 0)
    rows = si.check(config).rows
    assert rows["facets"] == "8 combinations"
    assert rows["  topic"] == "Tides 25.0%, Lighthouses 25.0%, Knots 25.0%, Charts 25.0%"

    # The run goes on with it, and so do a replay and a larger target.
    done = si.run(config, teacher=(second := Listing()), progress=None, export=False)
    assert second.asked == 0
    assert {topic for (topic,) in shares(done.records(), "topic")} == {"Tides", "Lighthouses", "Knots", "Charts"}
    assert all(row.requested == 0.25 for row in figures_of(done).coverage if row.facet == "topic")
    whole = si.run(
        config_of(tmp_path / "whole", facets=facets, target=24, lookahead=4), teacher=Listing(), progress=None
    )
    assert [(r.instruction, r.facets) for r in whole.records()] == [(r.instruction, r.facets) for r in done.records()]


def test_a_teacher_that_lists_nothing_ends_the_start(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", facets={"topic": {"grow": 4}})
    with pytest.raises(ConfigError, match=r"facets\.topic: the teacher listed no values to choose from; name them"):
        si.run(config, teacher=Listing("I don't know."), progress=None)


# --- runs ---------------------------------------------------------------------------------------


def test_a_run_that_ends_early_continues_to_the_same_rows(tmp_path: Path) -> None:
    def start(name: str, requests: int | None = None) -> si.Run:
        config = config_of(tmp_path / name, target=30, max_requests=requests)
        return si.run(config, teacher=Follower(), progress=None, export=False)

    whole = start("whole")
    for requests in (7, 21):
        start("parts", requests)
    parts = start("parts")
    assert [(r.instruction, r.facets) for r in parts.records()] == [(r.instruction, r.facets) for r in whole.records()]


def test_other_facets_begin_a_generation_on_request(tmp_path: Path) -> None:
    before = si.run(config_of(tmp_path / "run", target=20, lookahead=4), teacher=Follower(), progress=None).records()
    config = config_of(tmp_path / "run", target=40, lookahead=4, facets={"topic": ["storms"]})
    with pytest.raises(ConfigChanged, match=r"facets\.topic: was .*rivers.*, now .*storms"):
        si.run(config, teacher=Follower(), progress=None)
    done = si.run(config, teacher=Follower(), progress=None, new_generation=True, export=False)
    assert done.records()[:20] == before
    new = [each for each in done.records() if each.question >= done.generations[1].first_question]
    assert [each.facets for each in new] == [{"topic": "storms"}] * len(new) != []


def test_the_example_asks_for_what_many_people_would_bring(tmp_path: Path) -> None:
    changes = {"run_dir": tmp_path / "run", "target": 86, "max_cost_usd": None, "lookahead": 16}
    done = si.run(si.RunConfig.load(ROOT / "configs" / "personas.yaml", **changes), teacher=Judging(), progress=None)
    records = done.records()
    people = {record.facets["persona"] for record in records}
    assert people <= set((ROOT / "seeds" / "personas.txt").read_text().splitlines())
    assert len(people) > 80  # each person once before anyone comes again
    assert not any(r.facets["kind"] == "calculation" and r.facets["difficulty"] == "everyday" for r in records)
    found = shares(records, "kind")
    assert found["question",] == pytest.approx(0.316, rel=0.2)
    assert sum("judged_persona" in record.labels for record in records) > 3


def test_steering_brings_more_pairs_of_verb_and_object_for_few_tokens(tmp_path: Path) -> None:
    measured = {}
    for name, facets in (("unsteered", None), ("steered", {"topic": [f"topic {n}" for n in range(12)], "kind": KINDS})):
        teacher = Follower()
        run = si.run(config_of(tmp_path / name, facets=facets, target=60), teacher=teacher, progress=None, export=False)
        found = verb_nouns([record.instruction for record in run.records()], finder_for("word-list"))
        measured[name] = (found.distinct, teacher.tokens / len(run.records()))
    (pairs, tokens), (more, cost) = measured["unsteered"], measured["steered"]
    FIGURES.append(
        f"facets: {pairs} verb-object pairs unsteered, {more} steered, at {cost / tokens:.2f} times the tokens"
    )
    assert more >= 1.4 * pairs
    assert cost <= 1.15 * tokens
