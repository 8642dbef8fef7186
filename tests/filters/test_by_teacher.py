"""Filters that are left to the kind of teacher: decided when a run begins, and kept."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import ROOT, cli
from selfinstruct.config.run_config import digest_of
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.filters import build_checks, name_of
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import known_meaning
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.teacher import FakeTeacher

FAKE = {"kind": "fake", "model": "fake"}
CHAT = {"model": "gpt-4o-mini"}
CODER = {"kind": "local", "model": "qwen2.5-coder-1.5b"}
SMALL = {"kind": "local", "model": "smollm2-135m"}
BASE = {"model": "davinci-002", "endpoint": "completions"}
LEFT = ("keywords", "prefixes", "unusable")


def config_of(folder: Path, **values: Any) -> si.RunConfig:
    seeds = str(ROOT / "seeds" / "demo.jsonl")
    common = {"run_dir": folder, "seeds": seeds, "target": 12, "lookahead": 8, "dataset": {"license": "apache-2.0"}}
    return si.RunConfig.parse({**common, "teacher": FAKE, **values})


def names_of(config: si.RunConfig) -> set[str]:
    return {name_of(each) for each in build_checks(config).instructions} & set(LEFT)


@pytest.mark.parametrize(
    ("teachers", "on"),
    [
        ([CHAT], set()),
        ([BASE], {"keywords", "prefixes"}),
        ([CODER], {"unusable"}),
        ([SMALL], {"keywords", "prefixes", "unusable"}),
        ([FAKE], {"keywords", "prefixes"}),
        # Of several, those that propose decide on the published rules.
        ([CHAT, {**BASE, "roles": ["propose"]}], {"keywords", "prefixes"}),
        ([{**CHAT, "roles": ["propose"]}, {**SMALL, "roles": ["answer"]}], {"unusable"}),
    ],
)
def test_a_kind_of_teacher_decides(tmp_path: Path, teachers: list[dict[str, Any]], on: set[str]) -> None:
    named = {"teacher": teachers[0]} if len(teachers) == 1 else {"teachers": teachers, "teacher": None}
    config = si.RunConfig.parse(
        {"run_dir": tmp_path, "seeds": "s.jsonl", **{key: value for key, value in named.items() if value}}
    )
    assert names_of(config) == on


def test_the_published_recipe_names_its_rules() -> None:
    config = si.RunConfig.load(ROOT / "configs" / "self_instruct.yaml")
    assert {"keywords", "prefixes"} <= names_of(config)
    assert config.all_teachers[0].can_code


def test_check_card_and_explain_say_what_is_on_and_why(tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", filters={"prefixes": False})
    words = "keywords on: fake isn't known to code; prefixes off: set, or as the run began; unusable off: no model"
    rows = si.check(config).rows
    assert rows["by kind of teacher"].startswith(words)
    assert "keywords" in rows["instruction filters"]
    run(config)
    assert words in (tmp_path / "run" / "dataset" / "README.md").read_text()
    assert words in cli("explain", tmp_path / "run", "q0.0").stdout


def admitted(folder: Path) -> list[str]:
    with read(folder) as snapshot:
        return [record.instruction for record in snapshot.records]


def stored(folder: Path) -> dict[str, Any]:
    """The values of these keys that the journal keeps."""
    meaning = known_meaning(folder)
    assert meaning is not None
    return {name: meaning.get(f"filters.{name}") for name in LEFT}


class Draws(FakeTeacher):
    """The fake teacher, which often asks for a drawing."""

    async def complete(self, prompt: Prompt) -> Completion:
        completion = await super().complete(prompt)
        return replace(completion, text=re.sub(r"Sketch|Sort|Name|Plan", "Draw", completion.text))


def test_a_run_keeps_what_was_decided_when_it_began(tmp_path: Path) -> None:
    run(config_of(tmp_path))
    assert stored(tmp_path) == {"keywords": True, "prefixes": True, "unusable": False}
    # Another kind of teacher continues with the same filters, and the tasks that are there stay.
    before = admitted(tmp_path)
    teacher = {"kind": "openai", "model": "fake", "base_url": "http://127.0.0.1:9/v1", "api_key_env": None}
    later = config_of(tmp_path, teacher=teacher)
    assert later.filters_by_teacher["keywords"][0] is False
    run(later, recall_only=True, new_generation=True)
    assert stored(tmp_path) == {"keywords": True, "prefixes": True, "unusable": False}
    assert admitted(tmp_path) == before


def make_old(folder: Path, **meant: Any) -> None:
    """Make a run look like one of an earlier version: its configuration says nothing of these keys."""
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db, db:
        [(number, config, meaning)] = db.execute("SELECT number, config, meaning FROM generations").fetchall()
        values, means = json.loads(config), json.loads(meaning)
        del values["filters"]
        means = {key: value for key, value in means.items() if key != "filters.unusable"} | meant
        db.execute(
            "UPDATE generations SET config = ?, meaning = ?, digest = ? WHERE number = ?",
            (json.dumps(values), json.dumps(means), digest_of(means), number),
        )


def test_a_run_of_an_earlier_version_keeps_its_filters(tmp_path: Path) -> None:
    """There, the published rules were on for every teacher, and 'unusable' was unknown, or null."""
    teacher = {"kind": "local", "model": "qwen2.5-coder-1.5b"}
    config = config_of(tmp_path, teacher=teacher, target=12, filters={"keywords": True, "prefixes": True})
    asked = Draws()
    run(config, teacher=asked)
    make_old(tmp_path, **{"filters.keywords": True, "filters.prefixes": True})
    before = admitted(tmp_path)
    again = run(config_of(tmp_path, teacher=teacher, target=20), teacher=asked)
    assert stored(tmp_path) == {"keywords": True, "prefixes": True, "unusable": None}
    assert admitted(tmp_path)[:12] == before
    assert len(admitted(tmp_path)) == 20
    with read(again) as snapshot:
        reasons = {reason for _, reason, _ in snapshot.rejections()}
    assert "keyword" in reasons
    # A refilter replays the run through the same rules, too.
    si.refilter(tmp_path, tmp_path / "again", ["max_similarity=0.65"])
    assert stored(tmp_path / "again")["keywords"] is True
    # What is set counts, as ever.
    with pytest.raises(si.ConfigChanged, match=r"filters\.keywords: was true, now false"):
        run(config_of(tmp_path, teacher=teacher, target=20, filters={"keywords": False}), teacher=asked)
