"""Questions about documents: their order, the end of a run, growth, forks, and evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import selfinstruct as si
from selfinstruct.core.documents import Passage
from selfinstruct.core.errors import ConfigChanged, ConfigError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling
from selfinstruct.dataset.licensing import licensing
from selfinstruct.documents import Read, read_documents
from selfinstruct.journal.snapshot import read
from selfinstruct.journal.status import Outcome
from selfinstruct.report.explain.describe import describe
from selfinstruct.report.explain.story import explain
from selfinstruct.report.explain.values import SeedStory

WORDS = "amber birch cedar delta ember fjord grove heron inlet jetty kelp ledge".split()


def passage(document: str, number: int, page: int = 1) -> Passage:
    text = f"{WORDS[number]} weighs {number + 3} grams. It is {WORDS[number]}."
    start = 100 * number
    end = start + len(text)
    return Passage(f"{document}:{start}-{end}", document, start, end, text, "Weights", pages=((0, page),))


FIRST = [passage("a.pdf", 0), passage("a.pdf", 1, page=2), passage("b.md", 2)]
LATER = [passage("c.md", 3), passage("c.md", 4)]


class Weights:
    """Asks one or two questions about each passage, and answers with the first word of its text."""

    name, digest = "weights", "weights-1"
    seed_demos, machine_demos, tasks_per_question = 0, 0, 1

    def __init__(self, config: si.RunConfig, asking: si.Asking) -> None: ...

    def units(self, passage: Passage) -> Sequence[str]:
        return ("weight", "name") if "amber" in passage.text else ("weight",)

    def propose(self, material: si.Material) -> Prompt:
        [about] = material.passages
        return Prompt("propose", (Message("user", f"{about.text} Question {material.unit}."),), Sampling(max_tokens=50))

    def parse(self, completion: Completion, material: si.Material) -> list[si.Candidate]:
        [about] = material.passages
        kind = {"weight": "What is the weight of", "name": "Which material is described as"}[material.unit]
        return [si.Candidate(f"{kind} {about.text.split()[0]} {completion.text}?")]

    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        assert candidate.material is not None
        [about] = candidate.material.passages
        quote = about.find(about.text.split()[0])
        assert quote is not None
        answer = si.Response(f"The passage says that it is {about.text.split()[2]} grams.", key=candidate.key)
        return si.Development((replace(si.Example.of(candidate.instruction, "", answer), evidence=(quote,)),))


class Misquotes(Weights):
    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        made = await super().develop(candidate, ask)
        [example] = made.examples
        [quote] = example.evidence
        return si.Development((replace(example, evidence=(replace(quote, start=quote.start + 1),)),))


class Counts:
    """Answers with the number of the request; counts the requests."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    async def complete(self, prompt: Prompt) -> Completion:
        if "Question" in prompt.text:  # not a probe
            self.prompts.append(prompt.text)
        return Completion("in the north")


def config_of(folder: Path, **changes: object) -> si.RunConfig:
    values = {"documents": "manuals", "run_dir": str(folder), "target": 100, "strategy": f"{__name__}:Weights"}
    return si.RunConfig.parse(values | {"teacher": {"kind": "fake"}, "concurrency": 3, "max_similarity": 1.0} | changes)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> list[Passage]:
    """The passages that are found; a test may change them."""
    found = list(FIRST)
    monkeypatch.setattr("selfinstruct.generate.assembly.load_passages", lambda config, known: list(found))
    monkeypatch.setattr("selfinstruct.generate.assembly.files_digest", lambda config: "")
    return found


def test_each_passage_is_asked_about_until_nothing_is_left(shelf: list[Passage], tmp_path: Path) -> None:
    teacher = Counts()
    run = si.run(config_of(tmp_path / "run"), teacher=teacher, progress=None)
    assert run.outcome == Outcome("all_asked", "4 of 100 records: everything has been asked", 0)
    units = [prompt.split()[-1] for prompt in teacher.prompts]
    assert units == ["weight.", "weight.", "weight.", "name."]  # first each passage once
    shown = [record.origin.demos for record in run.records()]
    assert sorted(set(shown)) == sorted((each.id,) for each in FIRST)

    # The same again asks nothing, and gives the same.
    again = si.run(config_of(tmp_path / "run"), teacher=Counts(), progress=None)
    assert again.records() == run.records()
    assert again.outcome == run.outcome


def test_rows_name_document_page_and_place(shelf: list[Passage], tmp_path: Path) -> None:
    run = si.run(config_of(tmp_path / "run", dataset={"formats": ["messages"]}), teacher=Counts(), progress=None)
    rows = pq.read_table(run.dataset_path / "messages").to_pylist()
    found = {row["evidence"][0]["text"]: row["evidence"][0] for row in rows}
    assert found["birch"] == {"document": "a.pdf", "page": 2, "start": 100, "end": 105, "text": "birch"}
    for row in rows:
        assert all(FIRST[WORDS.index(each["text"])].find(each["text"]) for each in row["evidence"])


def test_new_documents_are_the_only_new_work(shelf: list[Passage], tmp_path: Path) -> None:
    config = config_of(tmp_path / "run", target=2, lookahead=2)
    before = si.run(config, teacher=Counts(), progress=None).records()
    shelf.extend(LATER)
    teacher = Counts()
    run = si.run(config.model_copy(update={"target": 100}), teacher=teacher, progress=None)
    assert run.records()[:2] == before
    assert len(run.generations) == 2
    asked = {demo for record in run.records() for demo in record.origin.demos}
    assert asked == {each.id for each in [*FIRST, *LATER]}
    assert len(run.records()) == 6
    assert len(teacher.prompts) == 4


def test_a_run_keeps_its_passages_when_a_similar_document_comes_before(tmp_path: Path) -> None:
    manuals, text = tmp_path / "manuals", " ".join(f"{word} weighs {len(word)} grams." for word in WORDS)
    manuals.mkdir()
    (manuals / "b.md").write_text(text)
    config = config_of(tmp_path / "run", documents=str(manuals), target=1)
    before = si.run(config, teacher=Counts(), progress=None).records()
    (manuals / "b.md").rename(manuals / "renamed.md")
    (manuals / "a.md").write_text(text.replace("amber", "Amber stone", 1))
    (manuals / "c.md").write_text("The quick brown fox jumps over the lazy dog beside the river bank.")
    run = si.run(config.model_copy(update={"target": 9}), teacher=Counts(), progress=None)
    assert run.records()[:1] == before
    assert {demo.partition(":")[0] for record in run.records() for demo in record.origin.demos} == {"b.md", "c.md"}


def test_documents_are_read_again_only_if_a_file_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manuals, text = tmp_path / "manuals", " ".join(f"{word} weighs {len(word)} grams." for word in WORDS)
    manuals.mkdir()
    (manuals / "a.md").write_text(text)
    reads = list[str]()

    def counting(sources: Sequence[str], **options: Any) -> Read:
        reads.extend(sources)
        return read_documents(sources, **options)

    monkeypatch.setattr("selfinstruct.documents.read.read_documents", counting)
    config = config_of(tmp_path / "run", documents=str(manuals))
    before = si.run(config, teacher=Counts(), progress=None).records()
    assert len(reads) == 1
    si.check(config)
    assert si.run(config, teacher=Counts(), progress=None).records() == before
    forked = config.model_copy(update={"run_dir": str(tmp_path / "fork")})
    assert si.run(forked, teacher=Counts(), progress=None, fork_of=tmp_path / "run").records() == before
    assert len(reads) == 1
    # Another size of the passages, a new file, an edit: each reads again.
    with pytest.raises(ConfigChanged):
        si.run(config.model_copy(update={"passage_words": 20}), teacher=Counts(), progress=None)
    (manuals / "b.md").write_text("The quick brown fox jumps over the lazy dog beside the river bank.")
    assert len(si.run(config, teacher=Counts(), progress=None).records()) == len(before) + 1
    assert len(reads) == 3
    (manuals / "b.md").write_text("The quick brown fox jumps over the lazy cat beside the river bank.")
    with pytest.raises(ConfigChanged):
        si.run(config, teacher=Counts(), progress=None)
    assert len(reads) == 4


def test_an_edited_document_needs_a_fork_which_drops_its_records(shelf: list[Passage], tmp_path: Path) -> None:
    config = config_of(tmp_path / "run")
    before = si.run(config, teacher=Counts(), progress=None).records()
    shelf[2] = replace(shelf[2], text=shelf[2].text.replace("grams", "ounces"), id="b.md:200-229")
    with pytest.raises(ConfigChanged, match=r'documents: "b\.md" edited'):
        si.run(config, teacher=Counts(), progress=None)

    teacher = Counts()
    config = config.model_copy(update={"run_dir": str(tmp_path / "fork")})
    forked = si.run(config, teacher=teacher, progress=None, fork_of=tmp_path / "run").records()
    kept = [record.instruction for record in before if "cedar" not in record.instruction]
    assert [record.instruction for record in forked if "cedar" not in record.instruction] == kept
    assert [prompt for prompt in teacher.prompts if "ounces" in prompt] == teacher.prompts
    assert len(teacher.prompts) == len([record for record in forked if "cedar" in record.instruction]) == 1


def test_an_answer_with_evidence_from_elsewhere_is_rejected(shelf: list[Passage], tmp_path: Path) -> None:
    run = si.run(config_of(tmp_path / "run", strategy=f"{__name__}:Misquotes"), teacher=Counts(), progress=None)
    assert run.records() == []
    assert run.status().refused["evidence_not_found"] == 4
    assert (run.outcome.reason, run.outcome.exit_code) == ("exhausted", 3)
    assert run.outcome.detail.endswith("everything has been asked; `selfinstruct check` says what there is to ask")


def test_a_strategy_that_knows_no_documents_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="strategy alpaca asks nothing about documents; set strategy: grounded"):
        si.run(config_of(tmp_path / "run", strategy="alpaca"), teacher=Counts(), progress=None)
    with pytest.raises(ConfigError, match="the source `demonstrations` shows seed tasks"):
        si.run(config_of(tmp_path / "run", source="demonstrations"), teacher=Counts(), progress=None)


class Counts4(Weights):
    def units(self, passage: Passage) -> Sequence[str]:
        return 4  # type: ignore[return-value]


def test_units_that_are_no_texts_are_an_error(shelf: list[Passage], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Counts4\.units: must return Sequence \(it returned int\)"):
        si.run(config_of(tmp_path / "run", strategy=f"{__name__}:Counts4"), teacher=Counts(), progress=None)


def test_explain_shows_the_passage_and_the_evidence(shelf: list[Passage], tmp_path: Path) -> None:
    run = si.run(config_of(tmp_path / "run"), teacher=Counts(), progress=None)
    record = next(record for record in run.records() if "birch" in record.instruction)
    story = "\n".join(describe(explain(run, record.id), full=True))
    assert "a.pdf:100-134" in story
    assert "birch weighs 4 grams. It is birch." in story
    assert "evidence in a.pdf, page 2, characters 100-105" in story
    passage = explain(run, "a.pdf:100-134")
    assert isinstance(passage, SeedStory)
    assert (passage.shown_in, passage.instruction) == (1, FIRST[1].text)


@pytest.mark.parametrize(
    ("license", "statements"),
    [
        (None, ["unknown: Documents (a.pdf, b.md): the license is not stated (documents_license)."]),
        ("mit", ["note: Documents (a.pdf, b.md): mit, as stated by the dataset's creator."]),
        (
            {"*.pdf": "cc-by-nc-4.0"},
            [
                "restriction: Documents (a.pdf): cc-by-nc-4.0 allows non-commercial use only.",
                "unknown: Documents (b.md): the license is not stated (documents_license).",
            ],
        ),
    ],
)
def test_licenses_are_those_of_the_documents(
    license: object, statements: list[str], shelf: list[Passage], tmp_path: Path
) -> None:
    run = si.run(config_of(tmp_path / "run", documents_license=license), teacher=Counts(), progress=None)
    with read(run) as snapshot:
        found = [statement.line for statement in licensing(snapshot).statements]
    assert [line for line in found if "Documents" in line] == statements
    assert not any("Seed tasks" in line for line in found)


def test_check_foresees_the_questions_and_says_which_passages_have_none(tmp_path: Path) -> None:
    manuals = tmp_path / "manuals"
    manuals.mkdir()
    (manuals / "a.md").write_text("If the tank of the pump is empty, the red lamp blinks twice in a second.\n")
    (manuals / "b.md").write_text("Nobody knows how it came to be, or why it is as we all found it then.\n")
    values = {"documents": str(manuals), "run_dir": str(tmp_path / "run"), "strategy": "grounded", "target": 500}
    found = si.check(si.RunConfig.parse(values | {"teacher": {"kind": "fake"}}))
    assert found.rows["documents"] == "2 documents, 2 passages"
    assert found.rows["questions"] == "1 at most; 1 passage without one: no_self_contained_sentence 1"
    assert found.estimate.shares[0].requests == 1


def test_check_warns_of_a_small_teacher_for_summaries(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("If the tank of the pump is empty, the red lamp blinks twice. It stops. It hums.\n")
    values = {"documents": str(tmp_path / "a.md"), "run_dir": str(tmp_path / "run"), "target": 5}
    values |= {"strategy": {"kind": "grounded", "kinds": {"summary": 1}}}
    small = {"kind": "local", "model": "qwen2.5-coder-1.5b", "endpoint": "chat"}
    [note] = [each for each in si.check(si.RunConfig.parse(values | {"teacher": small})).notes if "strong" in each]
    assert note.startswith("warning: strategy.kinds: summary is for strong teachers, and qwen2.5-coder-1.5b is a small")
