"""The section `facets`: values as a list, as weights, as a tree, or in a file; and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfinstruct.config.run_config import RunConfig, digest_of
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Asking
from selfinstruct.core.tasks import Demonstration, Material
from selfinstruct.strategies.factory import build_strategy
from selfinstruct.strategies.material import build_source


def parsed(facets: Any, **changes: Any) -> RunConfig:
    return RunConfig.parse({"seeds": "x", "run_dir": "y", "facets": facets} | changes, "c.yaml")


def values(given: Any) -> dict[str, float]:
    facets = parsed({"topic": given}).facets
    assert facets is not None
    return facets.values["topic"]


def test_values_are_a_list_or_weights_or_a_tree() -> None:
    assert values(["tax law", 7]) == {"tax law": 1, "7": 1}
    assert values({"tax law": 3, "labor law": 0.5, "other": None}) == {"tax law": 3, "labor law": 0.5, "other": 1}
    tree = {"law": {"tax": ["income", "trade"], "labor": 2}, "medicine": ["bones"]}
    assert values(tree) == {"law > tax > income": 1, "law > tax > trade": 1, "law > labor": 2, "medicine > bones": 1}
    assert values(["art", {"law": ["tax"]}]) == {"art": 1, "law > tax": 1}


def test_files_count_with_their_content(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("# people\na nurse\n\n  a cook  \n")
    (tmp_path / "t.yaml").write_text("law: [tax, labor]\nart:\n")
    (tmp_path / "c.yaml").write_text("seeds: x\nrun_dir: y\nfacets: {persona: p.txt, topic: t.yaml}\n")
    config = RunConfig.load(tmp_path / "c.yaml")
    same = parsed({"persona": ["a nurse", "a cook"], "topic": {"law > tax": 1, "law > labor": 1, "art": 1}})
    assert config.facets == same.facets
    assert digest_of(config.meaning("", "")) == digest_of(same.meaning("", ""))
    # The journal keeps the values, so that a run needs no file later.
    stored = config.model_dump(mode="json", exclude_unset=True)
    (tmp_path / "p.txt").unlink()
    assert RunConfig.parse(stored) == config


@pytest.mark.parametrize(
    ("facets", "message"),
    [
        (
            {"topic": "nowhere.txt"},
            "facets.topic: nowhere.txt: no such file; write the values as a list, or",
        ),
        ({"topic": "nowhere.yaml"}, "facets.topic: nowhere.yaml: no such file"),
        ({"topic": []}, "facets.topic: must not be empty; name at least one value"),
        ({"topic": {"law": []}}, "facets.topic: must not be empty; name at least one value"),
        ({"topic": {"law": 0, "art": 0}}, "facets.topic: gives every value the weight 0; give one of them more"),
        ({"topic": {"law": -1}}, "facets.topic: a weight must be a number of 0 or more"),
        ({"topic": {"law": "much"}}, "facets.topic: a weight must be a number of 0 or more"),
        ({"topic": [True]}, "facets.topic: values must be text; put them in quotes"),
        ({"topic": {"grow": 1}}, "facets.topic: grow must be a number of values, 2 to 500"),
        ({"topic": 3}, "facets.topic: must be a list of values, a mapping of values to weights, or a file"),
        ({"topic": ["law", "law"]}, "facets.topic: names a value twice; name each value once"),
        ({}, "facets: name a facet and its values, such as topic: [tax law, labor law]"),
        ({"my topic": ["law"]}, "facets: the name of a facet is that of a column: letters, digits, and underscores"),
        ({"topic": ["law"], "exclude": [{"topic": "law"}]}, "facets: exclude: leaves no combination of topic"),
        ({"topic": ["law"], "exclude": [{"topic": "art"}]}, "facets: exclude: names topic: art, which is no value"),
        ({"topic": ["law"], "exclude": [{}]}, "facets: exclude: an empty combination would exclude everything"),
        ({"topic": ["law"], "verify": 3}, "facets.verify: must be at most 1 (it is 3)"),
        ({"language": ["german"]}, "facets: must be a language tag; write de"),
        ({"language": ["de"]}, "facets.language: has de, which the filters for en reject; set language: any"),
        (
            {"a": [*map(str, range(200))], "b": [*map(str, range(200))], "exclude": [{"a": "1", "b": "2"}]},
            "facets: exclude: couples more than 10,000 combinations of a and b; exclude less",
        ),
    ],
)
def test_a_defect_is_one_line(facets: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(facets)
    assert str(caught.value).startswith(f"c.yaml: {message}")
    assert "\n" not in str(caught.value)


DEMOS = (Demonstration("a", "Plan a trip.", "", "Go."),)


@pytest.mark.parametrize("name", ["alpaca", "self_instruct", "plan", "evolve"])
@pytest.mark.parametrize("endpoint", ["chat", "completions"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_prompts_show_what_is_asked_for_in_the_users_message(name: str, endpoint: str, language: str) -> None:
    facets = {"topic": ["tax law"], "register": ["formal"]}
    plain, steered = (
        build_strategy(parsed(given, strategy=name, language=language), Asking.over(endpoint))  # type: ignore[arg-type]
        for given in (None, facets)
    )
    before = plain.propose(Material(DEMOS))
    asked = steered.propose(Material(DEMOS, {"topic": "tax law", "register": "formal", "operator": "deepen"}))
    for value in ("tax law", "formal"):
        assert sum(value in line for line in asked.messages[1].content.splitlines()) == 1
    assert "deepen" not in asked.text  # the source's own facet
    # Without facets the prompt is what it always was, and the beginning, which servers cache, is the same.
    assert steered.propose(Material(DEMOS)).messages == before.messages
    assert asked.messages[0] == before.messages[0]
    assert steered.digest != plain.digest


def test_facets_that_no_prompt_would_show_are_an_error() -> None:
    config = parsed({"topic": ["law"]})
    strategy = build_strategy(config, Asking())
    strategy.takes_facets = False  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="facets: strategy alpaca asks for the same, whatever the facets"):
        build_source(config, strategy)


def test_headings_are_those_of_documents() -> None:
    config = parsed({"topic": "headings", "register": ["formal"]})
    assert config.facets is not None
    assert (list(config.facets.values), config.facets.from_headings, config.facets.grown) == (
        ["register"],
        ["topic"],
        {},
    )
    # As the journal keeps it.
    assert RunConfig.parse(config.model_dump(mode="json", exclude_unset=True)) == config
    with pytest.raises(ConfigError, match=r"facets\.topic: headings are those of documents; name some"):
        build_source(config, build_strategy(config, Asking()))


def test_the_facet_language_is_asked_for_by_its_name() -> None:
    config = parsed({"language": ["de", "fr-CA"]}, language="any")
    asked = build_strategy(config, Asking()).propose(Material(DEMOS, {"language": "de"}))
    assert "- language: German, for every word of the task and of its answer" in asked.messages[1].content
