"""The pages of docs/reference/ are those that the code gives."""

from __future__ import annotations

import importlib.util
import re

import pytest

from conftest import ROOT

SPEC = importlib.util.spec_from_file_location("generate_reference", ROOT / "docs" / "generate_reference.py")
assert SPEC is not None
assert SPEC.loader is not None
generator = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generator)


@pytest.mark.parametrize("file", generator.PAGES)
def test_the_committed_page_is_current(file: str) -> None:
    page = generator.PAGES[file]().rstrip() + "\n"
    assert (generator.FOLDER / file).read_text(encoding="utf-8") == page, "out of date: run `make reference`"


def test_the_page_of_reasons_has_exactly_the_reasons_of_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "selfinstruct").rglob("*.py")))
    verdicts = set(re.findall(r'\bVerdict\("(\w+)"', code))
    errors = set(re.findall(r'\berror ?=f? ?f?"(\w+)[:{"]', code)) | set(re.findall(r'_failure\("(\w+)"', code))
    listed = {reason.name: stage for stage, (_, entries) in generator.STAGES.items() for reason in entries}
    assert verdicts | errors <= listed.keys()
    for name in listed:
        assert re.search(rf'"{name}[":{{]', code), f"{name}: no code gives this reason"
