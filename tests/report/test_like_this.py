"""'Like this': words become a filter of the configuration, which rejects what the preview said, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_loop import grow
from test_review import reviewed
from test_serve import browser_needed, chromium

from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError, UsageError
from selfinstruct.journal.folder import Run
from selfinstruct.report.review_server import Reviewing

MakeConfig = Callable[..., RunConfig]


@pytest.fixture
def made(make_config: MakeConfig, tmp_path: Path) -> tuple[Run, Path]:
    """A run, and the configuration that made it, with comments."""
    config = make_config(target=30)
    file = tmp_path / "config.yaml"
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False)
    file.write_text(f"# mine\n{text}  # the end\n")
    return grow(config, export=True), file


def usual(texts: list[str]) -> str:
    """The word that most of the texts have, but not all."""
    counts = Counter(word for text in texts for word in {each.strip(".,?").lower() for each in text.split()})
    return next(word for word, count in counts.most_common() if word.isalpha() and count < len(texts) * 0.7)


@pytest.mark.parametrize("name", ["keywords", "prefixes", "answer_keywords"])
def test_the_filter_rejects_what_the_preview_said(made: tuple[Run, Path], tmp_path: Path, name: str) -> None:
    run, file = made
    records = run.records()
    texts = [each.examples[0].output if name == "answer_keywords" else each.instruction for each in records]
    words = " ".join(texts[0].split()[:2]) if name == "prefixes" else usual(texts)
    reviewing = Reviewing(run.path, "anna", config=file)
    for digest in list(reviewing.items)[:30]:
        reviewing.decide({"digest": digest, "verdict": "accept"})
    found = reviewing.like({"filter": name, "words": words})
    assert 0 < found["count"] < found["of"] == 30
    assert found["accepted"] == found["count"]
    assert len(found["examples"]) == min(found["count"], 5)
    assert "--fork" in reviewing.like({"filter": name, "words": words, "write": True})["said"]
    reviewing.close()
    text = file.read_text()
    assert text.startswith("# mine\n")
    assert "# the end" in text
    # The shipped lists are in effect for this teacher, and stay so.
    shipped = {"keywords": "image", "prefixes": "Write a program"}.get(name, words)
    listed = yaml.safe_load(text)["filters"][name]
    assert (listed[0], listed[-1]) == (shipped, words)

    done = cli("generate", file, "--fork", tmp_path / "fork")
    assert done.returncode == 0, done.stderr
    kept = {each.instruction for each in Run(tmp_path / "fork").records()}
    assert len(kept) == 30
    assert len({each.instruction for each in records} - kept) == found["count"]
    reason = {"keywords": "keyword", "prefixes": "prefix"}.get(name, "answer_keyword")
    assert Run(tmp_path / "fork").status().refused[reason] >= found["count"]


def test_words_are_added_to_what_is_in_effect(made: tuple[Run, Path]) -> None:
    run, file = made
    reviewing = Reviewing(run.path, "anna", config=file)
    for words in ("two  words\n", "three", "three"):
        reviewing.like({"filter": "answer_keywords", "words": words, "write": True})
    assert RunConfig.load(file).filters.model_dump()["answer_keywords"] == ("two words", "three")
    file.write_text(file.read_text() + "  keywords: true\n")
    reviewing.like({"filter": "keywords", "words": "poem", "write": True})
    listed = RunConfig.load(file).filters.model_dump()["keywords"]
    assert {"image", "poem"} <= set(listed)
    reviewing.close()


@pytest.mark.parametrize(
    "given",
    [[], {}, {"filter": "min_words", "words": "a"}, {"filter": "keywords"}, {"filter": "keywords", "words": " ?! "},
     {"filter": "keywords", "words": "a" * 201}, {"filter": "prefixes", "words": 5}],
)  # fmt: skip
def test_what_is_no_filter_is_refused(made: tuple[Run, Path], given: Any) -> None:
    run, file = made
    before = file.read_text()
    reviewing = Reviewing(run.path, "anna", config=file)
    with pytest.raises(UsageError):
        reviewing.like(given)
    if given:
        with pytest.raises(UsageError):
            reviewing.like({**given, "write": True})
    reviewing.close()
    assert file.read_text() == before


def test_without_a_configuration_nothing_is_written(made: tuple[Run, Path], tmp_path: Path) -> None:
    reviewing = Reviewing(made[0].path, "anna")
    assert reviewing.like({"filter": "keywords", "words": "the"})["file"] == ""
    with pytest.raises(UsageError, match="--config"):
        reviewing.like({"filter": "keywords", "words": "the", "write": True})
    reviewing.close()
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        Reviewing(made[0].path, "anna", config=tmp_path / "nothing.yaml")


@pytest.mark.browser
@browser_needed
def test_selected_words_become_a_filter_by_keyboard(made: tuple[Run, Path]) -> None:
    run, file = made
    with reviewed(run, "--config", str(file)) as (address, _), chromium(address) as (page, said):
        page.wait_for_selector("#record h2")
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.keyboard.press("l")
            page.locator("#like-count:has-text('of 30 records')").wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.keyboard.press("Escape")
        answer = page.locator("#record [data-filter=answer_keywords]").first
        picked = answer.inner_text().split()[0]
        answer.evaluate(
            "(node, end) => getSelection().setBaseAndExtent(node.firstChild, 0, node.firstChild, end)", len(picked)
        )
        page.keyboard.press("l")
        page.locator("#like-count:has-text('filters.answer_keywords')").wait_for()
        assert page.input_value("#like-words") == picked
        page.keyboard.type("steps <b>&")
        page.locator("#like-count:has-text('rejects 0 of 30')").wait_for()
        page.keyboard.press("Control+a")
        page.keyboard.type("STEPS")
        page.locator("#like-count:has-text('adds to')").wait_for()
        assert yaml.safe_load(file.read_text()).get("filters", {}).get("answer_keywords") is None
        page.keyboard.press("Control+Enter")
        page.locator("#state:has-text('--fork')").wait_for()
        assert said == []
    assert yaml.safe_load(file.read_text())["filters"]["answer_keywords"] == ["STEPS"]
