"""Passages: quotes, their pages, and finding a text."""

from __future__ import annotations

import pytest

from selfinstruct.core.documents import Passage, Quote, holds

TEXT = "The documen-\ntation is on\n page two. A non\u2011breaking hyphen, a so\u00adft one. It is notable."
PASSAGE = Passage("a.pdf:10-100", "a.pdf", 10, 10 + len(TEXT), TEXT, pages=((0, 1), (30, 2)))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("tation is", "tation is"),
        ("documentation is on page", "documen-\ntation is on\n page"),
        ("non-breaking", "non\u2011breaking"),
        ("a soft one", "a so\u00adft one"),
        ("notable", "notable"),
        ("not able", None),
        ("", None),
        (" ", None),
        ("page three", None),
    ],
)
def test_a_text_is_found_with_its_place(wanted: str, found: str | None) -> None:
    quote = PASSAGE.find(wanted)
    assert (quote.text if quote else None) == found
    assert quote is None or holds(PASSAGE, quote)


def test_a_quote_has_the_page_of_its_first_character() -> None:
    pages = [PASSAGE.find(text).page for text in ("The", "page two")]  # type: ignore[union-attr]
    assert pages == [1, 2]
    assert Passage("b.md:0-3", "b.md", 0, 3, "abc").quote(0, 3) == Quote("b.md", 0, 3, "abc", None)


def test_a_quote_from_elsewhere_does_not_hold() -> None:
    there = PASSAGE.quote(10, 13)
    assert holds(PASSAGE, there)
    assert not holds(PASSAGE, Quote("b.pdf", 10, 13, "The"))
    assert not holds(PASSAGE, Quote("a.pdf", 10, 13, "the"))
    assert not holds(PASSAGE, Quote("a.pdf", 0, 3, "The"))
    with pytest.raises(ValueError, match="not in"):
        PASSAGE.quote(0, 3)
