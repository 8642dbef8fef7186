"""Documents as a source of tasks: read files of several formats, and cut their text into passages."""

from __future__ import annotations

from .chunk import Chunks, SkippedPart, chunk
from .document import Document, Heading, ParseLimits, Read, SkippedFile
from .passage_changes import PassageChange, compare_passages
from .read import read_documents

__all__ = [
    "Chunks",
    "Document",
    "Heading",
    "ParseLimits",
    "PassageChange",
    "Read",
    "SkippedFile",
    "SkippedPart",
    "chunk",
    "compare_passages",
    "read_documents",
]
