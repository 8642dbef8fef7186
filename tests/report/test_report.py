"""A run's report: what is measured, and what the file holds."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.visible import visible
from selfinstruct.journal.journal import Journal
from selfinstruct.journal.snapshot import read
from selfinstruct.report.page import figures_of, write_report
from selfinstruct.report.page.figures import Moment
from selfinstruct.report.page.measure import histogram, moments, pace, speed
from selfinstruct.report.page.record_rows import KINDS
from selfinstruct.report.review_server import Reviewing

HOSTILE = (
    "<script>window.stolen = 1</script></script><!-- \"quoted\" & 'single' <img src=x onerror=stolen()> "
    "line\u2028paragraph\u2029 right\u202eto\u200fleft \ufeff {{ 7 * 7 }} ]]>"
)
"""Everything that has ever broken out of a page, in one text."""


class Scripted:
    """Answers with tasks that are written here: hostile ones, near-duplicates, and enough others."""

    asking = si.Asking()
    model = "scripted"

    def __init__(self) -> None:
        self.asked = 0

    async def complete(self, prompt: si.Prompt) -> si.Completion:
        self.asked += 1
        number = self.asked
        texts = [
            f"Write a poem about {HOSTILE} and the number {number}.",
            f"Explain to visitor {number} why the sky over harbour {number * 7} turns red.",
            "Describe the colour of planet one for a curious child.",
            "Describe the colour of planet one for a very curious child.",
            "Too short",
        ]
        tasks = [
            {"instruction": text, "input": f"{HOSTILE}?" if n == 1 else "", "output": HOSTILE}
            for n, text in enumerate(texts)
        ]
        return si.Completion(json.dumps({"tasks": tasks}), usage=si.Usage(100, 50), model="scripted")


@pytest.fixture
def hostile_run(make_config: Callable[..., RunConfig]) -> si.Run:
    """A run of three records, one of them hostile in its instruction and all in their outputs."""
    config = make_config(target=3, filters={"keywords": False}, max_requests=20, concurrency=1, lookahead=1)
    done = si.run(config, teacher=Scripted(), export=False)
    assert done.outcome.exit_code == 0, done.outcome
    return done


@pytest.fixture
def run(make_config: Callable[..., RunConfig]) -> si.Run:
    """A finished run of the fake teacher, which costs something."""
    teacher = {"kind": "fake", "model": "fake", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
    return si.run(make_config(strategy="self_instruct", teacher=teacher), export=False)


def rows_in(page: str) -> list[list[Any]]:
    """The rows of a page's blocks, as its own code unpacks them."""
    blocks = re.findall(r'<script type="text/plain" class="block-of-rows">(.*?)</script>', page)
    return [row for block in blocks for row in json.loads(gzip.decompress(base64.b64decode(block)))]


def test_the_time_between_two_starts_is_no_work() -> None:
    answers = [(at, number, 1, 10, 0.0, 0, began) for number, (at, began) in enumerate([(2, 0), (5, 0), (104, 100)])]
    assert moments(answers, {})[-1].seconds == 3 + 4
    assert moments([(*answer[:-1], None) for answer in answers], {})[-1].seconds == 3 + 99  # of an older journal


def test_the_figures_are_those_of_status_and_ledger(run: si.Run) -> None:
    figures, status = figures_of(run), run.status()
    assert figures.status == status
    assert sum(part.admitted for part in figures.stretches) == status.admitted
    assert sum(part.proposed for part in figures.stretches) == status.proposed
    assert sum(part.questions for part in figures.stretches) == status.questions
    assert {reason.name: reason.count for reason in figures.reasons} == status.refused
    assert figures.moments[-1].requests == status.requests
    assert figures.moments[-1].tokens == status.prompt_tokens + status.completion_tokens
    assert figures.moments[-1].cost_usd == pytest.approx(status.cost_usd)
    assert sum(figures.classification) == status.records
    assert figures.classification[2] == 0


def test_scores_are_counted_apart_on_both_sides_of_the_cutoff(run: si.Run) -> None:
    scores = figures_of(run).scores
    bins = len(scores.admitted)
    cutoff_bin = int(scores.cutoff * bins)
    assert sum(scores.admitted) == run.status().admitted
    assert not any(scores.admitted[cutoff_bin + 1 :])
    assert not any(scores.refused[:cutoff_bin])
    nearest = [record.novelty.nearest.score for record in run.records() if record.novelty.nearest]
    assert scores.mean_novelty == pytest.approx(1 - sum(nearest) / len(nearest), abs=0.1)


def test_seeds_are_ranked_by_what_was_admitted_from_questions_that_show_them(run: si.Run) -> None:
    figures = figures_of(run)
    rates = [seed.per_question for seed in figures.seeds]
    assert rates == sorted(rates, reverse=True)
    assert all(seed.id.startswith("seed_task_") and seed.instruction for seed in figures.seeds)
    assert all(seed.shown <= run.status().questions for seed in figures.seeds)


def test_lengths_count_tokens_and_leave_empty_inputs_out(hostile_run: si.Run) -> None:
    instruction, given, output = figures_of(hostile_run).lengths
    assert (instruction.part, given.part, output.part) == ("instruction", "input", "output")
    assert given.empty + given.tokens.count == output.tokens.count == 3
    assert given.empty > 0


@pytest.mark.parametrize(
    ("values", "width", "counts", "median"),
    [
        ([], 1, (), None),
        ([3], 1, (0, 0, 0, 1), 3),
        ([0, 1, 1, 2], 1, (1, 2, 1), 1),
        ([1] * 99 + [1000], 50, (99,) + (0,) * 19 + (1,), 1),
    ],
)
def test_a_histogram_has_round_bins(
    values: list[int], width: int, counts: tuple[int, ...], median: float | None
) -> None:
    found = histogram(values)
    assert (found.width, found.counts, found.count, found.median) == (width, counts, len(values), median)


def test_long_tails_end_in_the_last_bin() -> None:
    found = histogram([*range(1000), 10**6])
    assert sum(found.counts) == 1001
    assert found.width * len(found.counts) <= 1050


def test_a_page_holds_every_record_and_every_refused_candidate(run: si.Run, tmp_path: Path) -> None:
    path = write_report(run, tmp_path / "page.html")
    rows = rows_in(path.read_text(encoding="utf-8"))
    kinds = [KINDS[row[0]] for row in rows]
    with read(run) as snapshot:
        journal = snapshot.journal
        refused = journal.query("SELECT count(*) FROM verdicts WHERE reason IS NOT NULL AND stage <> 'instance'")[0][0]
        failed = journal.query(
            "SELECT count(DISTINCT question || '-' || idx) FROM verdicts AS v WHERE stage = 'instance' AND NOT EXISTS"
            " (SELECT 1 FROM records AS r WHERE r.question = v.question AND r.idx = v.idx)"
        )[0][0]
    assert kinds.count("record") == len(run.records()) == 40
    assert kinds.count("refused") == refused + failed
    assert kinds.count("seed") == 8
    ids = {row[1] for row in rows}
    assert {row[8] for row in rows} - {None} <= ids


def test_the_page_without_rows_is_small_and_has_no_table(run: si.Run, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "page.html", max_records=0).read_text(encoding="utf-8")
    assert len(page.encode()) < 500_000
    assert not rows_in(page)
    assert 'id="grid"' not in page


def test_a_draw_of_rows_brings_their_neighbours_and_is_always_the_same(run: si.Run, tmp_path: Path) -> None:
    one, two = (rows_in(write_report(run, tmp_path / name, max_records=5).read_text()) for name in ("a.html", "b.html"))
    assert one == two
    assert 5 <= sum(KINDS[row[0]] == "record" for row in one) < 40
    assert {row[8] for row in one} - {None} - {row[1] for row in one} == set() or len(one) > 5


def test_hostile_text_is_in_the_page_as_text_only(hostile_run: si.Run, tmp_path: Path) -> None:
    """Blocks are base64. What the rest shows of a record is escaped: no tag of it is in the markup."""
    page = write_report(hostile_run, tmp_path / "page.html").read_text(encoding="utf-8")
    assert any(output == HOSTILE for row in rows_in(page) for _, output in row[4])
    for raw in ("<script>window.stolen", "<img", "\u2028", "\u202e", "\u200f"):
        assert raw not in page


def test_a_name_that_is_markup_is_escaped(run: si.Run, tmp_path: Path) -> None:
    renamed = tmp_path / '<b onclick="x()">&\u202e'
    run.path.rename(renamed)
    page = write_report(renamed, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b onclick" not in page
    assert "&lt;b onclick=&#34;x()&#34;&gt;&amp;⟨U+202E⟩" in page


def test_the_policy_lets_the_page_s_own_code_work_and_nothing_else(run: si.Run, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "page.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]
    scripts, styles = re.findall(r"<script>(.*?)</script>", page, re.S), re.findall(r"<style>(.*?)</style>", page, re.S)
    assert (len(scripts), len(styles)) == (2, 1)
    for text in scripts + styles:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy[1]
    assert not re.search(
        r"""\sstyle=|\son\w+=|(?:src|href)=["'](?!#|data:)""", re.sub(r"<script.*?</script>", "", page, flags=re.S)
    )


def test_charts_have_names_and_tables_beside_them(run: si.Run, tmp_path: Path) -> None:
    page = write_report(run, tmp_path / "page.html", max_records=0).read_text(encoding="utf-8")
    charts = re.findall(r'<svg [^>]*role="img"[^>]*>', page)
    assert len(charts) == 8
    assert all("aria-label=" in chart for chart in charts)
    assert page.count("Show as a table") == len(charts)
    assert page.count("cutoff 0.7") >= 1


def test_the_speed_is_that_of_the_last_fifth_and_of_several_answers() -> None:
    def at(*seconds: float) -> list[Moment]:
        return [Moment(each, 5 * number, number, 0, None) for number, each in enumerate(seconds)]

    assert speed([]) is speed(at(0)) is None
    assert speed(at(0, 60, 120)) == 5
    assert speed([*at(0, 60, 120), Moment(240, 10, 3, 0, None)]) == 2.5, "a wait counts"
    assert speed(at(*range(0, 6000, 60), *range(6000, 9000, 6))) == 50, "fast of late"
    assert pace(at(0, 60, 120)) == [5] * 5


def test_money_is_never_in_exponent_notation(make_config: Callable[..., RunConfig], tmp_path: Path) -> None:
    teacher = {"kind": "fake", "model": "fake", "input_usd_per_mtok": 1e-3, "output_usd_per_mtok": 1e-3}
    made = si.run(make_config(teacher=teacher), export=False)
    page = write_report(made, tmp_path / "page.html", max_records=0, parser="word-list").read_text()
    text = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.S)
    assert "per 1,000 records" in text
    assert re.findall(r">[^<]*\de-\d+[^<]*<", text) == []
    assert re.search(r"<dt>cost</dt><dd>\$0\.0*[1-9]\d?</dd>", text)


def test_the_report_shows_checks_coverage_and_reviews(make_config: Callable[..., RunConfig], tmp_path: Path) -> None:
    facets = {"topic": {"law": ["contracts", "tenancy"], "cooking": 2}, "difficulty": {"easy": 3, "hard": 1}}
    made = si.run(make_config(target=30, facets=facets), export=False)
    with contextlib.closing(Reviewing(made.path, "anna", "uncertain", 10)) as one:
        for number, digest in enumerate(one.items):
            verdict = {"verdict": "reject", "reasons": ["wrong_output"]} if number < 2 else {"verdict": "accept"}
            one.decide({"digest": digest, **verdict})
    made = si.run(made.config, export=False)
    figures = figures_of(made)
    assert figures.decisions == (8, 0, 2)
    stages = {each.name: each.count for each in figures.stages}
    assert stages["tasks proposed"] == made.status().proposed
    assert stages["- rejected by reviewers"] == 2
    page = html.unescape(write_report(made, tmp_path / "page.html", max_records=0, parser="word-list").read_text())
    assert "People accepted 8 of 30 records and rejected 2 others" in page
    assert "anna: 8 of 10 all valid, 80.0% (95% interval 49.0% to 94.3%), 2 wrong_output" in page
    (table,) = re.findall(r'<table class="map">(.*?)</table>', page, re.S)
    cells = [int(count) for count in re.findall(r'<td class="m\d"[^>]*>(\d+)</td>', table)]
    assert len(cells) == 3 * 2
    assert sum(cells) == 30


@pytest.mark.parametrize("records", [None, 0])
def test_a_run_without_any_answer_has_a_report(
    make_config: Callable[..., RunConfig], tmp_path: Path, records: int | None
) -> None:
    run = si.run(make_config(max_requests=0), export=False)
    page = write_report(run, tmp_path / "page.html", max_records=records, parser="word-list").read_text()
    assert run.status().records == 0
    assert "No answers yet." in page
    assert "No records yet." in page


def test_a_run_without_prices_shows_tokens(make_config: Callable[..., RunConfig], tmp_path: Path) -> None:
    unknown = {"kind": "openai", "model": "in-house", "base_url": "http://127.0.0.1:9/v1"}
    run = si.run(make_config(target=5, teacher=unknown), teacher=si.FakeTeacher(), export=False)
    page = write_report(run, tmp_path / "page.html", max_records=0, parser="word-list").read_text()
    assert "price unknown" in page
    assert "$" not in re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.S)


def test_a_run_in_progress_is_read_as_of_one_instant(run: si.Run) -> None:
    with read(run) as snapshot:
        journal = snapshot.journal
        before = journal.query("SELECT count(*) FROM records")[0][0]
        other = Journal(run.path / "journal.sqlite")
        other.ledger.start = 99
        other.ledger.sweep()
        assert journal.query("SELECT count(*) FROM records")[0][0] == before == 40
        other.close()
    assert run.status().records == 0


def test_a_path_that_can_t_be_written_is_a_plain_error(run: si.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run's folder"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "folder").mkdir()
    with pytest.raises(si.SelfInstructError, match="folder"):
        write_report(run, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir() if "html" in path.name or path.name.startswith(".")] == []


def test_the_command_prints_the_path(run: si.Run, tmp_path: Path) -> None:
    done = cli("report", run.path, "--word-list")
    assert done.stdout.strip() == str(run.path / "report.html")
    done = cli("report", run.path, "--output", tmp_path / "small.html", "--max-records", "3", "--word-list")
    assert done.stdout.strip() == str(tmp_path / "small.html")
    assert " of 40 records" in (tmp_path / "small.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "nowhere"], "error: nowhere: not a run's folder"),
        (["report", "nowhere", "--no-records", "--max-records", "5"], "give only one"),
    ],
)
def test_a_mistake_is_one_plain_line(arguments: list[str], said: str) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\x00b\x1b", "a⟨U+0000⟩b⟨U+001B⟩"),
        ("\u2028\u200f\u202e", "⟨U+2028⟩⟨U+200F⟩⟨U+202E⟩"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
    ],
)
def test_what_cannot_be_seen_is_shown_by_its_number(text: str, shown: str) -> None:
    assert visible(text) == shown
