"""Which passages are new against those that a run knows, whatever has become of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..core.documents import Passage


@dataclass(frozen=True, slots=True)
class PassageChange:
    """The difference between given passages and known ones.

    Attributes:
        kept: Known passages whose text is still there, as they are known, in that order.
        added: The new passages, in the order of the documents.
        removed: Known passages whose text is gone.
        gone: Documents that are no longer there, under any name, of which there are known passages.
        edited: Documents of which some text is gone while the document is still there.
    """

    kept: tuple[Passage, ...]
    added: tuple[Passage, ...]
    removed: tuple[Passage, ...]
    gone: tuple[str, ...]
    edited: tuple[str, ...]


def compare_passages(known: Sequence[Passage], now: Sequence[Passage]) -> PassageChange:
    """Return which passages were added, removed, or edited since `known`.

    A passage is recognized by its text, in the same document first. So it stays the same if other parts of its document
    grow, or the document is moved or renamed.
    """
    places: dict[str, list[Passage]] = {}
    for each in now:
        places.setdefault(each.text, []).append(each)
    there = {each.document for each in now}
    kept, removed, used, moved = list[Passage](), list[Passage](), set[str](), dict[str, str]()
    for each in known:
        found = sorted(places.get(each.text, ()), key=lambda place: (place.id in used, place.document != each.document))
        if not found or found[0].id in used:
            removed.append(each)
            continue
        kept.append(each)
        used.add(found[0].id)
        if each.document not in there:
            moved.setdefault(each.document, found[0].document)
    added = tuple(each for each in now if each.id not in used)
    lost = dict.fromkeys(each.document for each in removed)
    edited = tuple(name for name in lost if moved.get(name, name) in there)
    gone = tuple(name for name in lost if name not in edited)
    return PassageChange(tuple(kept), added, tuple(removed), gone, edited)
