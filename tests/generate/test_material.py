"""Sources: a question is made from material that a source draws, and its answer is parsed with the same material."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

import selfinstruct as si
from conftest import ROOT
from selfinstruct.core.prompts import Message, Prompt, Sampling
from selfinstruct.strategies.material import Demonstrations, View

TOPICS = ("rivers", "bridges", "birds")
SEEN: list[tuple[str, tuple[str, ...]]] = []


class TopicOptions(si.SourceOptions):
    topics: list[str] = Field(default=list(TOPICS))


class Topics:
    """Asks for each topic in turn, with the newest task as the only demonstration."""

    Options = TopicOptions

    def __init__(self, config: si.RunConfig, strategy: si.Strategy, options: TopicOptions) -> None:
        self._topics = options.topics

    def draw(self, number: int, view: si.View) -> si.Material:
        newest = view.tasks[-1] if view.tasks else view.seeds[0]
        return si.Material((newest,), {"topic": self._topics[number % len(self._topics)]})


class Plain:
    """Names the topic in the prompt, and in each task that it reads."""

    name, digest = "plain", "plain-1"
    seed_demos, machine_demos, tasks_per_question = 1, 0, 1

    def __init__(self, config: si.RunConfig, asking: si.Asking) -> None: ...

    def propose(self, material: si.Material) -> Prompt:
        [demo] = material.demos
        text = f"{demo.instruction} Now about {material.facets['topic']}."
        return Prompt("propose", (Message("user", text),), Sampling(max_tokens=99))

    def parse(self, completion: si.Completion, material: si.Material) -> list[si.Candidate]:
        SEEN.append((material.facets["topic"], tuple(demo.instruction for demo in material.demos)))
        return [si.Candidate(f"Write about {material.facets['topic']}: {completion.text}")]

    async def develop(self, candidate: si.Candidate, ask: si.Ask) -> si.Development:
        answer = si.Response("A text of more than a few words.", key=candidate.key)
        return si.Development((si.Example.of(candidate.instruction, "", answer),))


def config_of(folder: Path, **changes: object) -> si.RunConfig:
    values = {
        "seeds": str(ROOT / "seeds" / "demo.jsonl"),
        "run_dir": str(folder),
        "target": 12,
        "lookahead": 4,
        "source": f"{__name__}:Topics",
        "strategy": f"{__name__}:Plain",
        "teacher": {"kind": "fake"},
    }
    return si.RunConfig.parse(values | changes)


def test_facets_are_columns_and_a_replay_parses_with_what_was_shown(tmp_path: Path) -> None:
    import datasets

    SEEN.clear()
    done = si.run(config_of(tmp_path / "run"))
    first, records = list(SEEN), done.records()
    assert [record.facets["topic"] for record in records[:3]] == list(TOPICS)
    assert all(record.facets["topic"] in record.instruction for record in records)
    rows = datasets.load_dataset(str(done.path / "dataset"), "alpaca", split="train")
    assert rows["facet_topic"][:3] == list(TOPICS)

    # The replay sees the same topics and the same texts of the demonstrations.
    SEEN.clear()
    again = si.run(config_of(tmp_path / "run", target=15))
    assert SEEN[: len(first)] == first
    assert [record.id for record in again.records()][:12] == [record.id for record in records]


def test_options_of_a_source(tmp_path: Path) -> None:
    source = {"kind": f"{__name__}:Topics", "topics": ["storms"]}
    done = si.run(config_of(tmp_path / "run", source=source, target=3))
    assert {record.facets["topic"] for record in done.records()} == {"storms"}
    with pytest.raises(si.ConfigError, match=r"source\.topisc: unknown option; did you mean 'topics'\?"):
        si.check(config_of(tmp_path / "other", source={"kind": f"{__name__}:Topics", "topisc": ["storms"]}))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("demonstration", "source: 'demonstration' is unknown; did you mean 'demonstrations'"),
        ("nowhere:Source", "source: 'nowhere:Source' can't be imported"),
        (f"{__name__}:TOPICS", f"source: {__name__}:TOPICS can't be built"),
        (f"{__name__}:View", f"source: {__name__}:View gives no object with a method draw"),
    ],
)
def test_a_wrong_source_is_named_before_anything_is_asked(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(si.ConfigError) as caught:
        si.run(config_of(tmp_path / "run", source=source))
    assert message in str(caught.value)
    assert not (tmp_path / "run" / "journal.sqlite").exists()


class Wrong(Topics):
    def draw(self, number: int, view: si.View) -> si.Material:
        return "rivers"  # type: ignore[return-value]


def test_a_source_that_returns_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(si.ConfigError, match=r"Wrong\.draw: must return Material \(it returned str\)"):
        si.run(config_of(tmp_path / "run", source=f"{__name__}:Wrong"))


def test_demonstrations_are_the_source_by_default(tmp_path: Path) -> None:
    named = si.run(config_of(tmp_path / "a", source="demonstrations", strategy="alpaca"))
    default = si.run(config_of(tmp_path / "b", source=None, strategy="alpaca"))
    assert [r.origin.demos for r in named.records()] == [r.origin.demos for r in default.records()]
    assert all(len(record.origin.demos) == 3 for record in named.records())
    seeds = [si.Demonstration(str(n), f"Do {n}.") for n in range(9)]
    strategy = Plain(config_of(tmp_path / "c"), si.Asking())
    one = Demonstrations(config_of(tmp_path / "c"), strategy)
    assert one.draw(5, View(seeds, ())) == one.draw(5, View(seeds, ()))
