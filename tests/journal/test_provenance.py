"""Where records come from and what each has cost; whose terms apply; and that the card says all of it and no more."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml

from conftest import ROOT, Loopback
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt, Usage
from selfinstruct.dataset import to_dataset, write_dataset
from selfinstruct.dataset.licensing import Licensing, UsedTeacher, licensing, used_teachers
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.provenance import Share, Trail
from selfinstruct.journal.snapshot import read
from selfinstruct.seeds.load import load_seeds, seeds_digest
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]
both = pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])
PUBLISHED = "truncated scaffolding length keywords prefixes punctuation_start ascii_start".split()
ANSWER_CHECKS = "answer_refusal scaffolding echo repetition cut_off bad_code wrong_arithmetic".split()
PRICED = {"kind": "fake", "model": "fake", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 4.0}


def query(made: Run, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(made.path / "journal.sqlite")) as db:
        return db.execute(sql).fetchall()


def trail_of(made: Run) -> Trail:
    with read(made) as snapshot:
        return Trail(snapshot)


def licensing_of(made: Run) -> Licensing:
    with read(made) as snapshot:
        return licensing(snapshot)


def teachers_of(made: Run) -> list[UsedTeacher]:
    with read(made) as snapshot:
        return used_teachers(snapshot)


def card(made: Run) -> str:
    return (made.dataset_path / "README.md").read_text(encoding="utf-8")


def configured(made: Run) -> RunConfig:
    """The configuration as it stands in the card."""
    block = card(made).split("The full configuration:\n\n")[1].split("\n\n")[0]
    return RunConfig.parse(yaml.safe_load("\n".join(line[4:] for line in block.splitlines())))


# --- a record's origin ----------------------------------------------------------------------------


@both
@pytest.mark.parametrize("answers", [None, {"samples": 3, "until": "all"}, {"turns": 3}], ids=str)
def test_records_and_everything_refused_cost_what_all_answers_cost(
    make_config: MakeConfig, strategy: str, answers: dict[str, Any] | None
) -> None:
    made = run(make_config(strategy=strategy, teacher=PRICED, max_similarity=0.6, answers=answers), export=False)
    spent = trail_of(made).spent(made.records())
    prompt, generated, dollars = query(
        made, "SELECT sum(prompt_tokens), sum(completion_tokens), sum(cost_usd) FROM answers"
    )[0]
    assert spent.total.prompt_tokens == pytest.approx(prompt)
    assert spent.total.completion_tokens == pytest.approx(generated)
    assert spent.total.cost_usd == pytest.approx(dollars)
    assert 0 < spent.records.prompt_tokens < prompt
    assert spent.refused.prompt_tokens > 0
    assert (
        spent.probes.prompt_tokens
        == query(made, "SELECT sum(prompt_tokens) FROM answers WHERE purpose = 'probe'")[0][0]
    )
    each = [trail_of(made).of(record).share for record in made.records()]
    assert sum(each, Share()).cost_usd == pytest.approx(spent.records.cost_usd)


class HalfDeaf:
    """Every third proposal fails, every third is a refusal."""

    def __init__(self) -> None:
        self._inner, self._count = FakeTeacher(), 0

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose == "propose":
            self._count += 1
            if self._count % 3 == 1:
                return Completion("", error="timeout: no answer", failed=True)
            if self._count % 3 == 2:
                return Completion("No.", error="refusal: no", usage=Usage(1000, 2))
        return await self._inner.complete(prompt)


def test_answers_without_a_task_and_failures_are_accounted_for(make_config: MakeConfig) -> None:
    made = run(make_config(teacher=PRICED, strategy="self_instruct"), teacher=HalfDeaf(), export=False)
    spent = trail_of(made).spent(made.records())
    refusals = query(made, "SELECT count(*) FROM answers WHERE error LIKE 'refusal%'")[0][0]
    failures = query(made, "SELECT sum(prompt_tokens) FROM answers WHERE failed = 1 AND assumed = 1")[0][0]
    assert spent.without_task.prompt_tokens == refusals * 1000 + failures
    assert refusals * failures > 0, "a teacher may bill an answer that did not arrive"
    assert spent.total.cost_usd == pytest.approx(query(made, "SELECT sum(cost_usd) FROM answers")[0][0])


def test_a_proposal_is_shared_by_its_tasks_and_a_development_is_its_tasks_own(make_config: MakeConfig) -> None:
    made = run(make_config(strategy="self_instruct"), export=False)
    record = made.records()[5]
    origin = trail_of(made).of(record)
    tokens = dict(query(made, "SELECT key, prompt_tokens FROM answers"))
    tasks = len({row[0] for row in query(made, f"SELECT idx FROM verdicts WHERE question = {record.question}")})
    proposal, *developed = origin.questions
    assert (proposal, len(developed)) == (f"p:{record.question}", 2)
    expected = tokens[proposal] / tasks + sum(tokens[key] for key in developed)
    assert origin.share.prompt_tokens == pytest.approx(expected)
    assert origin.share.cost_usd == 0.0, "the fake teacher is free"


def test_columns_of_rows_and_of_the_config_provenance(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    teacher = {"kind": "openai", "model": "fake", "base_url": loopback().base_url, "api_key_env": None}
    priced = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 4.0}
    rules = {"keywords": True, "prefixes": True}
    made = run(
        make_config(strategy="self_instruct", teacher=teacher | priced, dataset={"test_share": 0.3}, filters=rules)
    )
    loaded = datasets.load_dataset(str(made.dataset_path), "alpaca")
    asked = datasets.load_dataset(str(made.dataset_path), "provenance")
    for split in ("train", "test"):
        assert loaded[split]["id"] == asked[split]["id"]
    rows = {row["id"]: row for split in loaded.values() for row in split}
    by_id = {row["id"]: row for split in asked.values() for row in split}
    prompts = dict(query(made, "SELECT key, prompt FROM answers"))
    assert len({row["prompt_hash"] for row in rows.values()}) == len({row["question"] for row in rows.values()}) > 1
    for record in made.records():
        row, place = rows[record.id], by_id[record.id]
        assert row["run_id"] == place["run_id"] == made.id
        assert row["questions"][0] == f"p:{record.question}"
        assert len(row["questions"]) == 3
        assert row["config_digest"] == made.generations[0].digest
        assert row["prompt_hash"] == hashlib.sha256(prompts[f"p:{record.question}"].encode()).hexdigest()[:32]
        assert row["checks_passed"] == [*PUBLISHED, "novelty", "instances", *ANSWER_CHECKS]
        assert row["prompt_tokens"] == place["prompt_tokens"] > 0
        assert (place["teacher"], place["teacher_host"]) == ("fake", "127.0.0.1")
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", place["asked_at"])
        assert place["cost_usd"] == pytest.approx(place["prompt_tokens"] / 1e6 + place["completion_tokens"] * 4 / 1e6)


def test_rows_of_one_record_share_its_cost(make_config: MakeConfig) -> None:
    config = make_config(strategy="self_instruct", target=60, dataset={"instances": "all"})
    made = run(config, export=False)
    rows = to_dataset(made, "alpaca")
    assert len(rows) > 60
    assert sum(rows["prompt_tokens"]) == pytest.approx(trail_of(made).spent(made.records()).records.prompt_tokens)


def test_a_judges_questions_are_the_tasks_own_too(make_config: MakeConfig) -> None:
    made = run(make_config(strategy="self_instruct", teacher=PRICED, judge={"min_score": 1.0}), export=False)
    trail = trail_of(made)
    purposes = dict(query(made, "SELECT key, purpose FROM answers"))
    for record in made.records():
        origin = trail.of(record)
        assert [purposes[key] for key in origin.questions][:4] == ["propose", "classify", "instances", "judge"]
        assert origin.passed == (*PUBLISHED, "novelty", "instances", *ANSWER_CHECKS, "judge")
    total = query(made, "SELECT sum(cost_usd) FROM answers")[0][0]
    assert trail.spent(made.records()).total.cost_usd == pytest.approx(total)


class NoPoems:
    def check(self, candidate: Any) -> Any:
        from selfinstruct.core.tasks import PASS

        return PASS


def test_checks_of_ones_own_are_named(make_config: MakeConfig) -> None:
    made = run(make_config(target=5), filters=[NoPoems()], export=False)
    assert trail_of(made).checks == ("no_poems", "novelty", "instances", *ANSWER_CHECKS)


# --- whose terms ----------------------------------------------------------------------------------


def test_the_teacher_is_the_one_that_answered(make_config: MakeConfig, loopback: Callable[..., Loopback]) -> None:
    server = loopback().base_url
    teacher = {"kind": "openai", "model": "llama3.1:8b", "base_url": server, "api_key_env": None}
    made = run(make_config(teacher=teacher, seeds_license="cc-by-4.0", dataset={"license": "apache-2.0"}))
    (used,) = teachers_of(made)
    assert (used.config.model, used.host, used.own) == ("llama3.1:8b", "127.0.0.1", False)
    assert used.answers == query(made, "SELECT count(*) FROM answers")[0][0]
    found = licensing_of(made)
    assert [statement.kind for statement in found.statements] == ["conflict", "condition", "note"]
    assert found.sources[0].license == "cc-by-4.0"


def test_an_object_in_code_is_not_taken_for_the_configured_teacher(make_config: MakeConfig) -> None:
    config = make_config(teacher={"kind": "openai", "model": "gpt-4o-mini"})
    made = run(config, teacher=FakeTeacher(), export=False)
    (used,) = teachers_of(made)
    assert (used.own, used.host) == (True, None)
    assert not any("OpenAI" in statement.text for statement in licensing_of(made).statements)


def test_a_fork_has_the_terms_of_both_teachers(make_config: MakeConfig, tmp_path: Path) -> None:
    first = run(make_config(target=10), export=False)
    teacher = {"kind": "openai", "model": "llama3:8b", "base_url": "http://127.0.0.1:1/v1", "license": "as agreed"}
    config = make_config(target=20, run_dir=str(tmp_path / "fork"), teacher=teacher)
    forked = run(config, fork_of=first.path, teacher=FakeTeacher(), export=False)
    assert [(used.config.kind, used.own) for used in teachers_of(forked)] == [("fake", False), ("openai", True)]
    texts = [statement.text for statement in licensing_of(forked).statements]
    assert any("own fake teacher" in text for text in texts)
    assert any("as stated by the dataset's creator: as agreed" in text for text in texts)


def test_the_shipped_seeds_bring_their_license(make_config: MakeConfig) -> None:
    made = run(make_config(seeds=str(ROOT / "seeds" / "demo.jsonl"), target=5), export=False)
    assert made.generations[0].meaning["seeds"] == seeds_digest(load_seeds(ROOT / "seeds" / "demo.jsonl"))
    assert licensing_of(made).sources[0].license == "Apache-2.0"


# --- the card -------------------------------------------------------------------------------------


def test_restrictions_stand_in_the_card_with_their_source(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    teacher = {"kind": "openai", "model": "Qwen/Qwen2.5-3B", "base_url": loopback().base_url, "api_key_env": None}
    text = card(run(make_config(teacher=teacher, target=5, dataset={"license": "mit"})))
    license = text.split("## License")[1].split("\n## ")[0]
    assert "License stated by the creator of this dataset: `mit`" in license
    assert "allow non-commercial use only" in license
    assert "https://huggingface.co/Qwen/Qwen2.5-3B-Instruct/blob/main/LICENSE" in license
    assert "**conflict** The stated license, mit" in license
    assert "not legal advice" in license.replace("\n", " ")


def test_the_configuration_in_the_card_is_the_same_run_again(make_config: MakeConfig) -> None:
    made = run(
        make_config(target=5, strategy={"kind": "self_instruct", "propose": {"temperature": 0.5}}, concurrency=3)
    )
    config = configured(made)
    paths = {"seeds", "run_dir"}
    assert config.model_dump(exclude=paths) == made.config.model_dump(exclude=paths)
    assert config.meaning("s", "p") == made.config.meaning("s", "p")


def test_counts_of_the_card_add_up(make_config: MakeConfig) -> None:
    config = make_config(strategy="self_instruct", max_similarity=0.6, filters={"max_words": 14})
    text = card(run(config))
    stages = {name: int(count.replace(",", "")) for name, count in re.findall(r"^\| (.+?) \| ([\d,]+) \|$", text, re.M)}
    read = stages["tasks proposed"]
    refused = stages["- refused by filters"] + stages["- refused as too similar to a seed or an earlier task"]
    assert read == refused + stages["tasks admitted"]
    assert stages["- refused by filters"] > 0
    assert stages["records in this dataset"] == 40
    for bars in re.findall(r"\|  \| count \| share \|  \|\n\|---\|---\|---\|---\|\n((?:\|.*\n)+)", text)[:1]:
        assert sum(int(line.split("|")[2].replace(",", "")) for line in bars.splitlines()) == 40


def test_every_section_is_there_and_says_what_was_not_checked(make_config: MakeConfig) -> None:
    text = card(run(make_config(target=5)))
    sections = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    assert sections == [
        "Changelog", "How it was made", "Counts by stage", "Distributions", "Languages", "Verbs and nouns",
        "Cost", "License", "Limits and risks of the teacher", "Not checked", "How to reproduce it", "Sample rows",
        "Citations",
    ]  # fmt: skip
    assert "stereotypes" in text
    assert "overlap with evaluation sets" in text
    assert "wang2022selfinstruct" in text


def test_the_home_folder_of_the_maker_is_not_told(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path) not in card(run(make_config(target=5)))


@pytest.mark.parametrize(
    ("text", "script"),
    [("用三句话介绍长城。", "Han"), ("東京について書いてください。", "Han and kana"), ("Напиши стих.", "Cyrillic"),
     ("Écris un poème.", "Latin"), ("اكتب قصيدة", "Arabic"), ("123 + 4", "none"), ("ᚠᚢᚦ", "other")],
)  # fmt: skip
def test_scripts_are_told_apart(text: str, script: str) -> None:
    from dataclasses import replace

    from test_export import RECORD

    from selfinstruct.core.records import Example, Response
    from selfinstruct.dataset.card_figures import scripts

    record = replace(RECORD, instruction=text, examples=(Example.of(text, "", Response("")),))
    assert f"| {script} | 1 | 100.0% |" in scripts([record])


def test_an_export_in_other_formats_states_the_license_that_it_is_given(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    made = run(make_config(target=5), export=False)
    settings = made.config.dataset.model_copy(update={"license": "cc-by-4.0", "formats": ("alpaca",)})
    text = (write_dataset(made, tmp_path / "out", settings) / "README.md").read_text()
    assert "License stated by the creator of this dataset: `cc-by-4.0`" in text


def test_each_of_several_teachers_has_its_host_and_its_terms(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    server = loopback().base_url
    asked = {"kind": "openai", "base_url": server, "api_key_env": None}
    teachers = [
        asked | {"model": "llama3.3", "name": "writer", "roles": ["propose"]},
        {"kind": "fake", "model": "fake", "roles": ["classify", "instances"]},
    ]
    values = make_config(strategy="self_instruct").model_dump(exclude_unset=True)
    del values["teacher"]
    made = run(RunConfig.parse(values | {"teachers": teachers}))
    used = {each.config.label: each for each in teachers_of(made)}
    assert (used["writer"].host, used["writer"].purposes) == ("127.0.0.1", ("probe", "propose"))
    assert (used["fake"].host, used["fake"].purposes) == (None, ("probe", "classify", "instances"))
    assert [terms.teacher for terms in licensing_of(made).teachers] == ["llama3.3", "fake"]
    rows = datasets.load_dataset(str(made.dataset_path), "provenance", split="train")
    assert {(row["teacher_host"], row["output_host"]) for row in rows} == {("127.0.0.1", None)}
    assert '"Llama" at the beginning of the name' in card(made)
    assert configured(made).all_teachers == made.config.all_teachers
