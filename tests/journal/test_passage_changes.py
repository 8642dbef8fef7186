"""Passages are recognized by their text."""

from __future__ import annotations

from selfinstruct.core.documents import Passage
from selfinstruct.journal.changes import compare_passages


def test_passages_are_recognized_by_their_text() -> None:
    def passage(document: str, start: int, text: str) -> Passage:
        return Passage(f"{document}:{start}-{start + len(text)}", document, start, start + len(text), text)

    known = [
        passage("a.md", 0, "one"),
        passage("a.md", 5, "two"),
        passage("b.md", 0, "three"),
        passage("d.md", 0, "four"),
    ]
    now = [
        passage("a.md", 9, "one"),
        passage("a.md", 20, "new"),
        passage("sub/b.md", 0, "three"),
        passage("c.md", 0, "five"),
    ]
    change = compare_passages(known, now)
    assert [each.id for each in change.kept] == ["a.md:0-3", "b.md:0-5"]
    assert [each.text for each in change.added] == ["new", "five"]
    assert (change.gone, change.edited) == (("d.md",), ("a.md",))
