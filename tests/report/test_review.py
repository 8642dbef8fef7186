"""`review`: decisions by keyboard in real Chromium, on disk before the page confirms them, and random samples."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forked import Process, start_python
from test_loop import grow
from test_serve import browser_needed, chromium, served

from conftest import RECORD
from selfinstruct.config.run_config import RunConfig
from selfinstruct.config.sections import JudgeConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.records import Neighbour, Novelty, Response
from selfinstruct.core.reviews import Review
from selfinstruct.core.tasks import Verdict
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.journal.journal import Journal
from selfinstruct.report.exchange import exported
from selfinstruct.report.review_queue import doubt_of
from selfinstruct.report.review_server import Reviewing

MakeConfig = Callable[..., RunConfig]
MANY = 30


@pytest.fixture
def made(make_config: MakeConfig) -> Run:
    return grow(make_config(target=MANY), export=True)


@contextlib.contextmanager
def reviewed(run: Run | Path, *options: str, command: str = "review") -> Iterator[tuple[str, Process]]:
    """The command `review`, or `worth --read`; yields the address that it prints, and the process."""
    path = run if isinstance(run, Path) else run.path
    process = start_python(
        "-m", "selfinstruct", command, path, *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
        yield address, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(20)


def reviews_of(run: Run) -> list[Review]:
    with contextlib.closing(Journal(run.path / JOURNAL, read_only=True)) as journal:
        return journal.reviews.all()


def ask(address: str, path: str, body: Any = None) -> tuple[int, str, dict[str, str]]:
    home, _, query = address.partition("?")
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{home}{path}?{query}", data), timeout=30) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@contextlib.contextmanager
def reviewing(run: Run, *options: Any) -> Iterator[Reviewing]:
    with contextlib.closing(Reviewing(run.path, *options)) as opened:
        yield opened


# --- decisions ------------------------------------------------------------------------------------


def test_a_decision_is_in_the_journal_and_what_checks_found_is_shown_only_then(made: Run) -> None:
    with reviewing(made, "anna") as one:
        first, second = one.shown()[:2]
        assert (first["decision"], first["found"]) == (None, {})
        after = one.decide({"digest": first["digest"], "verdict": "reject", "reasons": ["wrong_output"], "note": "no"})
        assert after["decision"] == {"verdict": "reject", "reasons": ("wrong_output",), "note": "no", "edit": None}
        assert after["found"]["nearest"]
        assert [each.digest for each in reviews_of(made)] == [first["digest"]]
        one.decide({"digest": second["digest"], "verdict": "accept"})
        assert one.decide({"digest": second["digest"], "verdict": "undo"})["decision"] is None
    with reviewing(made, "ben") as other:
        shown = {each["digest"]: each for each in other.shown()}
        assert shown[first["digest"]]["decision"] is None
        decided = other.decide({"digest": first["digest"], "verdict": "accept"})
        assert decided["found"]["others"] == ["anna: reject"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "maybe"}, "verdict: must be"),
        ({"verdict": "reject", "reasons": ["ugly"]}, "reasons: must be some of"),
        ({"verdict": "reject", "reasons": "wrong_output"}, "reasons: must be some of"),
        ({"verdict": "accept", "note": 5}, "note: must be a text"),
        ({"verdict": "accept", "edit": {}}, "edit: must have"),
        ({"verdict": "accept", "digest": "0"}, "no record to review"),
    ],
)
def test_a_wrong_decision_is_refused_and_stores_nothing(made: Run, changes: dict[str, Any], said: str) -> None:
    with reviewing(made, "anna") as one:
        with pytest.raises(UsageError, match=said):
            one.decide({"digest": next(iter(one.items))} | changes)
        with pytest.raises(UsageError, match="no record"):
            one.decide([])
    assert reviews_of(made) == []


@pytest.mark.parametrize("name", ["", " ", "a" * 41, "a\nb", "\u202e"])
def test_a_reviewer_has_a_printable_name(made: Run, name: str) -> None:
    with pytest.raises(UsageError, match="the name of a reviewer or reader needs 1 to 40"):
        Reviewing(made.path, name)


def test_what_is_near_a_limit_comes_first_and_a_sample_is_drawn_by_the_seed(made: Run) -> None:
    with reviewing(made, "anna") as one:
        scores = [item.similarity for item in one.items.values()]
        assert scores == sorted(scores, reverse=True)
    with reviewing(made, "anna", "uncertain", 7) as one, reviewing(made, "ben", "uncertain", 7) as other:
        assert list(one.items) == list(other.items)
        assert len(one.items) == 7
        assert list(one.items) != list(scores)


def test_a_sample_keeps_what_was_rejected_and_states_its_figures(made: Run) -> None:
    with reviewing(made, "anna", "uncertain", 10) as one:
        for number, digest in enumerate(one.items):
            verdict = {"verdict": "reject", "reasons": ["wrong_output"]} if number < 2 else {"verdict": "accept"}
            one.decide({"digest": digest, **verdict})
        (line,) = one.summary()
        assert line.startswith("anna: 8 of 10 all valid, 80.0% (95% interval 49.0% to 94.3%), 2 wrong_output")
    again = grow(made.config, export=True)
    assert len(again.records()) == MANY
    assert line in (again.dataset_path / "README.md").read_text()
    with reviewing(again, "anna", "uncertain", 10) as later:
        assert later.summary() == [line]
        assert {each.digest for each in reviews_of(made)} & set(later.items)


def test_the_queue_begins_where_judges_answers_and_checks_are_unsure() -> None:
    """Each of these is doubted for one reason, and more than the plain record."""
    plain, first = replace(RECORD, novelty=Novelty()), RECORD.examples[0]

    def doubt(judge: JudgeConfig | None = None, *others: Response, **best: Any) -> float:
        responses = (replace(first.responses[0], **best), *others)
        return doubt_of(replace(plain, examples=(replace(first, responses=responses),)), 0.7, judge)

    other, failed = Response("Lyon", sample=1), {"echo": Verdict("echo")}
    compares = JudgeConfig(compare=True)
    assert doubt() == 0.0
    assert doubt(marks={"agreement": 0.4}) == pytest.approx(0.6)
    assert doubt(marks={"agreement": 1.0, "quality": 5.0}) == 0.0
    assert doubt(marks={"quality": 5.0, "truth": 2.0}) == 0.75
    assert doubt(None, replace(other, verdicts=failed)) == 1.0
    assert doubt(compares, other) == 1.0, "the judge prefers whichever it reads first"
    assert doubt(compares, other, beats=(1,)) == doubt(None, other) == 0.0
    near = replace(plain, novelty=Novelty(Neighbour("seed_1", 0.63)))
    assert doubt_of(near, 0.7, None) == pytest.approx(0.9)


def test_a_record_is_shown_next_to_its_passages_with_its_quotes_marked(tmp_path: Path) -> None:
    from test_grounded_run import PARTS, Reader, write_manual

    import selfinstruct as si

    write_manual(tmp_path / "manuals", "brewer.md", ["boiler", "filter"])
    values = {"documents": str(tmp_path / "manuals"), "run_dir": str(tmp_path / "run"), "teacher": {"kind": "fake"}}
    values |= {"strategy": {"kind": "grounded", "subject": "Brewer", "kinds": {"closed_book": 1}}, "target": 100}
    run = si.run(si.RunConfig.parse(values | {"max_similarity": 1.0}), teacher=Reader(), progress=None)
    with reviewing(run, "anna") as one:
        shown = one.shown()
        html = exported("html", one)
    assert len(shown) == 2
    for item in shown:
        assert item["quotes"] == []
        [passage] = item["passages"]
        text = "".join(part for part, _ in passage["parts"])
        assert passage["document"] == "brewer.md"
        assert any(part in text for part in PARTS.values())
        assert [part for part, is_quote in passage["parts"] if is_quote] == [item["content"]["examples"][0]["answer"]]
    assert "lower tray" in html


# --- the page -------------------------------------------------------------------------------------


def test_only_the_printed_address_opens_the_page(made: Run) -> None:
    with reviewed(made) as (address, process):
        home = address.partition("?")[0]
        for path in ("", "items", "decide"):
            assert ask(home, path, {} if path == "decide" else None)[0] == 403
        status, text, headers = ask(address, "")
        assert status == 200
        assert "default-src 'none'" in text
        assert headers["X-Frame-Options"] == "DENY"
        assert ask(address, "decide", {"verdict": "accept"})[0] == 400
        assert len(json.loads(ask(address, "items")[1])) == MANY
        digest = json.loads(ask(address, "items")[1])[0]["digest"]
        assert ask(address, "decide", {"digest": digest, "verdict": "accept"})[0] == 200
        process.send_signal(signal.SIGKILL)
    assert [each.digest for each in reviews_of(made)] == [digest]


def test_records_that_come_later_are_shown_when_the_page_is_loaded_again(make_config: MakeConfig) -> None:
    config = make_config(target=5)
    run = grow(config)
    with reviewing(run, "anna") as one, reviewing(run, "ben", "uncertain", 5) as audit:
        gone = one.shown()[0]["digest"]
        one.decide({"digest": gone, "verdict": "reject", "reasons": ["unwanted"]})
        grow(config.model_copy(update={"target": 8}))
        assert len(one.shown()) == 9, "what was rejected is shown, too"
        assert len(audit.shown()) == 5, "a sample stays one"
        one.decide({"digest": gone, "verdict": "undo"})


@pytest.mark.browser
@browser_needed
def test_serve_has_the_same_page_with_a_token_for_a_reviewer_only(made: Run) -> None:
    with served(made.path) as address:
        assert ask(address, "review/")[0] == ask(address, "review/decide", {})[0] == 404
        assert "/review/" not in ask(address, "")[1]
    with served(made.path, "--reviewer", "anna") as address, chromium(address) as (page, said):
        assert ask(address.partition("?")[0], "review/decide", {"verdict": "accept"})[0] == 403
        page.get_by_role("link", name="Review").click()
        page.wait_for_selector("#record h2")
        page.keyboard.press("a")
        page.locator("#state:has-text('1 decided')").wait_for()
        assert said == []
    assert [(each.reviewer, each.verdict) for each in reviews_of(made)] == [("anna", "accept")]


@pytest.mark.browser
@browser_needed
def test_two_tabs_of_one_reviewer_lose_nothing_and_a_hostile_text_stays_text(made: Run) -> None:
    with reviewed(made) as (address, _), chromium(address) as (page, said):
        second = page.context.browser.new_page()
        second.goto(address)
        for each in (page, second):
            each.wait_for_selector("#record h2")
        for key, each in zip("a3a1aa", (page, second) * 3, strict=True):
            each.keyboard.press(key)
        for each in (page, second):
            each.locator("#state:has-text('3 decided')").wait_for()
        page.keyboard.press("e")
        page.locator("#editor textarea").last.fill("<img src=x onerror=alert(1)>\u202e")
        page.keyboard.press("Control+Enter")
        page.locator("#state:has-text('4 decided')").wait_for()
        second.reload()
        second.locator("#state:has-text('4 decided')").wait_for()
        assert [text for text in said if "127.0.0.1" not in text] == []
    found = reviews_of(made)
    # Both tabs began with the same three records: the later decision on each counts.
    assert len(found) == 7
    assert len({each.digest for each in found}) == 4


@pytest.mark.browser
@browser_needed
def test_a_hundred_records_are_audited_by_keyboard_alone_and_a_kill_loses_nothing(make_config: MakeConfig) -> None:
    config, confirmed = make_config(target=100), 0
    run = grow(config, export=True)
    for batch in (34, 33, 33):
        options = ("--reviewer", "anna", "--audit", "100")
        with reviewed(run, *options) as (address, process), chromium(address) as (page, said):
            page.locator(f"#state:has-text('{confirmed} decided')").wait_for()
            for _ in range(batch):
                page.keyboard.press("3" if confirmed % 5 == 4 else "a")
                confirmed += 1
                page.locator(f"#state:has-text('{confirmed} decided')").wait_for()
            process.send_signal(signal.SIGKILL)  # between two key presses
            assert said == []
        assert len({each.digest for each in reviews_of(run)}) == confirmed
    assert Counter(each.verdict for each in reviews_of(run)) == {"accept": 80, "reject": 20}

    # A second reviewer of the same sample; the card then states both shares, and how far they agree.
    with reviewing(run, "ben", "uncertain", 100) as ben:
        for number, digest in enumerate(ben.items):
            ben.decide({"digest": digest, "verdict": "accept" if number >= 10 else "reject", "reasons": ["unwanted"]})
        lines = ben.summary()
    assert lines[0].startswith("anna: 80 of 100 all valid, 80.0% (95% interval 71.1% to 86.7%), 20 wrong_output")
    assert lines[2].startswith("anna and ben agree on ")
    again = grow(config, export=True)
    assert len(again.records()) == 100
    card = (again.dataset_path / "README.md").read_text()
    assert all(line in card for line in lines)


@pytest.mark.browser
@browser_needed
def test_edit_note_reasons_and_undo_by_keyboard_on_both_widths(made: Run) -> None:
    with reviewed(made) as (address, _), chromium(address) as (page, said):
        page.wait_for_selector("#record h2")
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("e")
        page.locator("#editor textarea").last.fill("<script>alert(1)</script>\u202e of a person")
        page.keyboard.press("Control+Enter")
        page.locator("#state:has-text('1 decided')").wait_for()
        page.keyboard.press("n")
        page.keyboard.type("two things")
        page.keyboard.press("Control+Enter")
        page.keyboard.press("r")
        page.keyboard.press("1")
        page.keyboard.press("3")
        page.keyboard.press("Enter")
        page.locator("#state:has-text('2 decided')").wait_for()
        page.keyboard.press("a")
        page.locator("#state:has-text('3 decided')").wait_for()
        page.keyboard.press("u")
        page.locator("#state:has-text('2 decided')").wait_for()
        page.keyboard.press("k")
        page.keyboard.press("k")
        assert "⟨U+202E⟩ of a person" in page.inner_text("#record")
        assert page.locator("#record script").count() == 0
        assert said == []
    edit, reject, _, undo = reviews_of(made)
    assert edit.edit is not None
    assert edit.edit["examples"][-1]["answer"] == "<script>alert(1)</script>\u202e of a person"
    assert (reject.verdict, reject.reasons, reject.note) == (
        "reject",
        ("invalid_instruction", "wrong_output"),
        "two things",
    )
    assert undo.verdict == "undo"


@pytest.mark.browser
@browser_needed
def test_a_marked_turn_of_a_dialogue_is_named_in_the_note(make_config: MakeConfig) -> None:
    run = grow(make_config(target=4, answers={"turns": 2}))
    with reviewed(run) as (address, _), chromium(address) as (page, said):
        page.wait_for_selector("#record .turn")
        for key in "mm3":
            page.keyboard.press(key)
        page.locator("#state:has-text('1 decided')").wait_for()
        page.locator("#record .turn").nth(3).click()
        page.keyboard.press("n")
        page.keyboard.type("too short")
        page.keyboard.press("Control+Enter")
        assert page.inner_text("#record").endswith("turn 4: too short")
        page.keyboard.press("a")
        page.locator("#state:has-text('2 decided')").wait_for()
        page.keyboard.press("a")
        page.locator("#state:has-text('3 decided')").wait_for()
        assert said == []
    found = [(each.verdict, each.note) for each in reviews_of(run)]
    assert found == [("reject", "turn 2"), ("accept", "turn 4: too short"), ("accept", "")]


@pytest.mark.browser
@browser_needed
def test_two_reviewers_at_once(made: Run) -> None:
    with (
        reviewed(made, "--reviewer", "anna") as (one, _),
        reviewed(made, "--reviewer", "ben") as (other, _),
        chromium(one) as (page, said),
    ):
        second = page.context.browser.new_page()
        second.goto(other)
        for each in (page, second):
            each.wait_for_selector("#record h2")
        for count in range(1, 6):
            for each in (page, second):
                each.keyboard.press("a")
            for each in (page, second):
                each.locator(f"#state:has-text('{count} decided')").wait_for()
        assert [text for text in said if not text.startswith("http://127.0.0.1")] == []
    found = reviews_of(made)
    assert [each.reviewer for each in found].count("anna") == [each.reviewer for each in found].count("ben") == 5


def test_a_run_without_records_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run's folder"):
        Reviewing(tmp_path, "anna")
