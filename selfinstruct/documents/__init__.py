"""Documents as a source of tasks: read files of several formats, and cut their text into passages."""

from __future__ import annotations

from .chunk import Chunks, SkippedPart, chunk_documents
from .document import Document, Heading, ParseLimits, Read, SkippedFile
from .read import files_digest, load_passages, read_documents

__all__ = [
    "Chunks",
    "Document",
    "Heading",
    "ParseLimits",
    "Read",
    "SkippedFile",
    "SkippedPart",
    "chunk_documents",
    "files_digest",
    "load_passages",
    "read_documents",
]
