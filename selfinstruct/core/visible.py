"""Make invisible characters visible, because they can change how the text around them is read."""

from __future__ import annotations

import unicodedata

# Zero-width joiners are part of Persian and Indic words, and of emoji.
_KEPT = "\n\t\u200c\u200d"


def visible(text: str) -> str:
    """Replace control, bidirectional and other invisible characters by their number; the result is not escaped.

    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨U+{ord(char):04X}⟩" if _is_invisible(char) else char for char in text)


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in _KEPT
