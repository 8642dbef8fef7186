"""Characters that have no shape of their own but change how others are read: shown by their number."""

from __future__ import annotations

import unicodedata

_KEPT = "\n\t\u200c\u200d"
"""Line breaks, and the joiners that stand inside Persian and Indic words and in emoji."""


def visible(text: str) -> str:
    """`text` with control, bidirectional and other unseen characters as ⟨U+202E⟩; it still has to be escaped.

    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨U+{ord(char):04X}⟩" if _unseen(char) else char for char in text)


def _unseen(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _KEPT
