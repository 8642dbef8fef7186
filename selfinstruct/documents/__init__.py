"""Documents as a source of tasks: read files of several formats, and cut their text into passages."""

from __future__ import annotations

from .chunk import Chunks, SkippedPart, chunk
from .compare import PassageChange, compare_passages
from .read import read_documents
from .values import Document, Heading, Limits, Read, SkippedFile

__all__ = [
    "Chunks",
    "Document",
    "Heading",
    "Limits",
    "PassageChange",
    "Read",
    "SkippedFile",
    "SkippedPart",
    "chunk",
    "compare_passages",
    "read_documents",
]
