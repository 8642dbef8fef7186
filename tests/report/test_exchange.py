"""Reviews by people without this program: one file out, one JSON file back in, as rows of the journal."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_loop import grow
from test_review import made, reviewing, reviews_of  # noqa: F401  (a fixture)
from test_serve import browser_needed, chromium

from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.reviews import REASONS
from selfinstruct.journal.folder import Run
from selfinstruct.report.exchange import exported, imported, setup_of

MakeConfig = Callable[..., RunConfig]
HOSTILE = "</script><script>alert(1)</script><!-- & \u202e"


def back(run: Run, file: Path, value: Any, reviewer: str | None = None) -> tuple[int, int]:
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    with reviewing(run, "reviewer", "dataset") as opened:
        return imported(file, opened, reviewer)


def page_file(*decisions: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"reviewer": "anna", "audit": "", "decisions": list(decisions)} | others


def out(run: Run, kind: str) -> Any:
    with reviewing(run, "anna") as opened:
        return json.loads(exported(kind, opened))


def test_what_argilla_saves_is_stored_for_each_user(made: Run, tmp_path: Path) -> None:  # noqa: F811
    records = out(made, "argilla")
    assert list(records[0]) == ["id", "fields", "metadata", "suggestions", "responses", "vectors"]
    first, second, third, *_ = records
    both = ("7f9f2a48-0f6c-4a4b-9d55-0d4c2b1f6a11", "2c1d1a6e-71f5-4b0d-8a6f-4b1d7d2c9b22")
    first["responses"] = {
        "verdict": [{"value": "accept", "user_id": both[0]}, {"value": "reject", "user_id": both[1]}],
        "reasons": [{"value": ["wrong_output"], "user_id": both[1]}],
    }
    second["responses"] = {
        "verdict": [{"value": "accept", "user_id": both[0]}],
        "edit": [{"value": "A better answer.", "user_id": both[0]}],
    }
    third["responses"] = {
        "verdict": [{"value": "accept", "user_id": both[0]}],
        "edit": [{"value": third["fields"]["answer"], "user_id": both[0]}],
        "note": [{"value": "good", "user_id": both[0]}],
    }
    assert back(made, tmp_path / "r.json", records) == (4, 0)
    found = reviews_of(made)
    assert [(each.reviewer == both[0], each.verdict, each.reasons) for each in found[:2]] == [
        (True, "accept", ()),
        (False, "reject", ("wrong_output",)),
    ]
    assert found[2].edit is not None
    assert found[2].edit["examples"][0]["answer"] == "A better answer."
    assert (found[3].edit, found[3].note) == (None, "good")
    assert back(made, tmp_path / "r.json", records) == (0, 0), "the same file again brings nothing new"
    with pytest.raises(UsageError, match="several people"):
        back(made, tmp_path / "r.json", records, "anna")


def test_what_label_studio_saves_is_stored(made: Run, tmp_path: Path) -> None:  # noqa: F811
    tasks = out(made, "label-studio")

    def annotation(by: Any, verdict: str, **others: Any) -> dict[str, Any]:
        result = [{"from_name": "verdict", "type": "choices", "value": {"choices": [verdict]}}]
        result += [{"from_name": name, "value": value} for name, value in others.items()]
        return {"completed_by": by, "result": result, "was_cancelled": False}

    tasks[0]["annotations"] = [
        annotation({"id": 1, "email": "anna@example.org"}, "reject", reasons={"choices": ["unwanted"]}),
        annotation(2, "accept", edit={"text": ["Better."]}),
    ]
    tasks[1]["annotations"] = [annotation(2, "accept") | {"was_cancelled": True}, {"result": []}]
    assert back(made, tmp_path / "r.json", tasks) == (2, 0)
    one, two = reviews_of(made)
    assert (one.reviewer, one.verdict, one.reasons) == ("anna@example.org", "reject", ("unwanted",))
    assert (two.reviewer, two.edit and two.edit["examples"][0]["answer"]) == ("2", "Better.")


def test_the_settings_of_the_other_programs_name_what_comes_back(made: Run) -> None:  # noqa: F811
    interface = ET.fromstring(setup_of("label-studio"))
    assert {each.get("name") for each in interface.iter() if each.get("toName")} == {
        "verdict", "reasons", "edit", "note",
    }  # fmt: skip
    shown = {each.get("value", "")[1:] for each in interface.iter("Text")}
    assert shown <= out(made, "label-studio")[0]["data"].keys()
    for kind in ("argilla", "label-studio"):
        assert all(reason in setup_of(kind) for reason in REASONS)
    compile(setup_of("argilla"), "settings.py", "exec")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no JSON", "is no JSON"),
        ("[" * 200_000, "is no JSON"),
        ([], "has no decisions"),
        ({"decisions": []}, "has no decisions"),
        ([{"fields": {}, "responses": {"verdict": "accept"}}], "has no decisions"),
        ([{"data": {}, "annotations": [{"result": [{}]}]}], "has no decisions"),
        (page_file({"digest": "FIRST", "verdict": "maybe"}), "decision 1: verdict: must be"),
        (page_file({"digest": "FIRST", "verdict": "accept"}, {"digest": "FIRST", "verdict": 5}), "decision 2: verdict"),
        (page_file({"digest": "FIRST", "verdict": "accept", "edit": {"instruction": ""}}), "decision 1: edit"),
        (page_file({"digest": "FIRST", "verdict": "accept"}, reviewer="\n"), "the name of a reviewer or reader needs"),
        (page_file("accept"), "has no decisions"),
    ],
)
def test_a_file_that_is_wrong_is_named_and_stores_nothing(
    made: Run,  # noqa: F811
    tmp_path: Path,
    value: Any,
    said: str,
) -> None:
    with reviewing(made, "anna") as opened:
        first = next(iter(opened.items))
    text = value if isinstance(value, str) else json.dumps(value).replace("FIRST", first)
    with pytest.raises(UsageError, match=said):
        back(made, tmp_path / "r.json", text)
    assert reviews_of(made) == []


def test_decisions_about_other_records_are_counted_and_a_sample_stays_one(
    made: Run,  # noqa: F811
    tmp_path: Path,
) -> None:
    with reviewing(made, "anna", "uncertain", 5) as opened:
        digests, audit = list(opened.items), opened.audit
    decisions = [{"digest": digest, "verdict": "accept", "at": 100.5 + n} for n, digest in enumerate(digests)]
    value = page_file(*decisions, {"digest": "0" * 32, "verdict": "accept"}, audit=audit)
    assert back(made, tmp_path / "r.json", value, "ben") == (5, 1)
    assert {(each.reviewer, each.audit) for each in reviews_of(made)} == {("ben", audit)}
    assert reviews_of(made)[0].at == 100.5
    with reviewing(made, "ben", "uncertain", 5) as opened:
        assert opened.summary()[0].startswith("ben: 5 of 5 all valid")


def test_the_command_says_what_to_do_next(made: Run, tmp_path: Path) -> None:  # noqa: F811
    done = cli("review", made.path, "--export", "label-studio", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("<View>")
    assert "--import stores what comes back" in done.stderr
    done = cli("review", made.path, "--import", tmp_path / "nothing.json")
    assert done.returncode == 2
    assert "nothing.json" in done.stderr


@pytest.mark.browser
@browser_needed
def test_a_page_from_disk_reviews_by_keyboard_and_saves_a_file_that_is_imported(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    run = grow(make_config(target=8), export=True)
    with reviewing(run, "anna", "uncertain", 8) as opened:
        first = next(iter(opened.items.values()))
        first.content["examples"][0]["answer"] += HOSTILE  # as if the teacher had written it
        (tmp_path / "review.html").write_text(exported("html", opened))
        digests = list(opened.items)
    with chromium((tmp_path / "review.html").as_uri()) as (page, said):
        page.wait_for_selector("#record h2")
        assert "</script>" in page.inner_text("#record")
        assert "⟨U+202E⟩" in page.inner_text("#record")
        for key in ("a", "3", "a"):
            page.keyboard.press(key)
        page.locator("#state:has-text('3 decided')").wait_for()
        page.keyboard.press("u")
        page.locator("#state:has-text('2 decided')").wait_for()
        page.keyboard.press("e")
        page.locator("#editor textarea").last.fill("Mine.")
        page.keyboard.press("Control+Enter")
        page.locator("#state:has-text('3 decided')").wait_for()
        page.reload()  # what was decided is kept by the browser
        page.locator("#state:has-text('3 decided')").wait_for()
        with page.expect_download() as download:
            page.keyboard.press("s")
        download.value.save_as(tmp_path / "reviewed.json")
        assert said == []
    done = cli("review", run.path, "--import", tmp_path / "reviewed.json", "--reviewer", "anna")
    assert (done.returncode, "5 new decisions stored" in done.stderr) == (0, True), done.stderr
    found = reviews_of(run)
    assert [each.verdict for each in found] == ["accept", "reject", "accept", "undo", "accept"]
    assert [each.digest for each in found] == [*digests[:3], digests[2], digests[2]]
    assert {each.reviewer for each in found} == {"anna"}
    assert found[-1].edit is not None
    assert found[-1].edit["examples"][-1]["answer"] == "Mine."
    again = cli("review", run.path, "--import", tmp_path / "reviewed.json", "--reviewer", "anna")
    assert "0 new decisions" in again.stderr
    assert len(grow(run.config, export=True).records()) == 8
