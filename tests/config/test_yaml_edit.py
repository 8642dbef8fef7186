"""A list of a configuration file is extended in place; all else stays, and what can't be changed is left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from selfinstruct.config.yaml_edit import extend_list
from selfinstruct.core.errors import ConfigError

# Layouts of `filters.keywords` before, and what the file says after 'poem' was added to what it lists.
LAYOUTS = [
    ("target: 5  # rows\n", "target: 5  # rows\nfilters:\n  keywords: [poem]\n"),
    ("target: 5", "target: 5\nfilters:\n  keywords: [poem]\n"),
    ("filters:  # rules\ntarget: 5\n", "filters: {keywords: [poem]}  # rules\ntarget: 5\n"),
    ("filters: null # rules\n", "filters: {keywords: [poem]} # rules\n"),
    ("{filters: {min_words: 3}}\n...\n", "{filters: {keywords: [poem], min_words: 3}}\n...\n"),
    ("filters: {}\n", "filters: {keywords: [poem]}\n"),
    ("filters: {min_words: 3}\n", "filters: {keywords: [poem], min_words: 3}\n"),
    (
        "filters:  # rules\n    # few\n    min_words: 3\ntarget: 5\n",
        "filters:  # rules\n    keywords: [poem]\n    # few\n    min_words: 3\ntarget: 5\n",
    ),
    ("filters:\n  keywords: true  # why\n", "filters:\n  keywords: [poem]  # why\n"),
    ("filters:\n  keywords: # why\n", "filters:\n  keywords: [poem] # why\n"),
    ("filters:\n  keywords: []\n", "filters:\n  keywords: [poem]\n"),
    ("filters:\n  keywords: [song, ] # why\n", "filters:\n  keywords: [song, poem, ] # why\n"),
    (
        "filters:\n  keywords:\n  - song  # one\n  # end\ntarget: 5\n",
        "filters:\n  keywords:\n  - song  # one\n  - poem\n  # end\ntarget: 5\n",
    ),
    ("filters:\n  keywords:\n    - song", "filters:\n  keywords:\n    - song\n    - poem"),
    ("filters:\r\n  keywords:\r\n    - song\r\n", "filters:\r\n  keywords:\r\n    - song\r\n    - poem\r\n"),
]


@pytest.mark.parametrize(("before", "after"), LAYOUTS)
def test_only_the_list_changes(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(before.encode())
    file.chmod(0o600)
    extend_list(file, "filters", "keywords", ["song", "poem"] if "song" in before else ["poem"])
    assert file.read_bytes().decode() == after
    assert (file.stat().st_mode & 0o777) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &words [song]\nfilters: {keywords: *words}\n",
        "filters: &rules {min_words: 3}\nmore: *rules\n",
        "{target: 5}\n",
        "target: 5\n...\n",
    ],
)
def test_a_layout_that_can_not_be_changed_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"add this yourself: filters: \{keywords: \[song, poem\]\}"):
        extend_list(file, "filters", "keywords", ["song", "poem"])
    assert file.read_text() == text
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]


def test_any_text_arrives_as_it_is(tmp_path: Path) -> None:
    """Words of records may hold anything that YAML gives a meaning."""
    file, draw, items = tmp_path / "config.yaml", random.Random(3), list[str]()
    for layout in ("filters:\n  keywords: []\n", "filters:\n  keywords:\n  - first\n"):
        file.write_text(layout)
        items = yaml.safe_load(layout)["filters"]["keywords"]
        for _ in range(60):
            items.append(
                "".join(draw.choice("ab :#'\"[]{},&*!|>%@`-?\\~é中\U0001f600") for _ in range(8)).strip() or "x"
            )
            extend_list(file, "filters", "keywords", items)
            assert yaml.safe_load(file.read_text(encoding="utf-8"))["filters"]["keywords"] == items
