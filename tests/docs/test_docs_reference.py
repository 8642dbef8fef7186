"""The pages of docs/reference/ are those that the code gives."""

from __future__ import annotations

import importlib.util

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
