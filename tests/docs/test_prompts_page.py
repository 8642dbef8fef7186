"""The guide to the prompt file names every section and key of the shipped one."""

from __future__ import annotations

import re

from conftest import ROOT
from selfinstruct.core.shipped import shipped_yaml


def test_the_page_names_every_key_of_the_shipped_file() -> None:
    page = (ROOT / "docs" / "guide" / "prompts.md").read_text(encoding="utf-8")
    named: dict[str, set[str]] = {}
    section = ""
    for first, keys in re.findall(r"^\| (`\w+` )?\| ([^|]+) \| [^|]+ \|$", page, re.MULTILINE):
        section = first.strip("` ") or section
        named.setdefault(section, set()).update(re.findall(r"`(\w+)`", keys))
    shipped = shipped_yaml("selfinstruct.strategies", "prompts", "en.yaml")
    assert named == {section: set(texts) for section, texts in shipped.items()}
