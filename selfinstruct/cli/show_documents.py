"""The command `documents`: what is read of documents, how it is cut, and what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.counted import counted
from .console import AsJson, Debug, plain_errors, printable_json, say, table

if TYPE_CHECKING:
    from ..documents import Chunks, Document, Read


def documents(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER...",
            help="Folders, files, patterns, or a configuration (.yaml) with the key `documents`.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read documents and cut them into passages; show what is left out and why. Sends no requests."""
    with plain_errors(debug):
        from ..core.errors import UsageError
        from ..documents import chunk_documents, read_documents

        if len(sources) == 1 and sources[0].endswith((".yaml", ".yml")):
            from ..config.run_config import RunConfig

            config = RunConfig.load(sources[0])
            if not config.document_sources:
                raise UsageError(f"{sources[0]}: has no key `documents`; add it, or name a folder")
            read = read_documents(config.document_sources, readers=config.document_readers)
            chunks = chunk_documents(read.documents, max_words=config.passage_words)
        else:
            read = read_documents(sources)
            chunks = chunk_documents(read.documents)
        if as_json:
            print(printable_json(_values(read, chunks)))
        else:
            _print(read, chunks)
        if not chunks.passages:
            raise UsageError("no passage was found; add documents that are read (the reasons are above)")


def _values(read: Read, chunks: Chunks) -> dict[str, Any]:
    rows = [
        {
            "name": each.name,
            "format": each.format,
            "title": each.title,
            "pages": len(each.pages) or None,
            "characters": len(each.text),
            "headings": len(each.headings),
            "digest": each.digest,
            "notes": each.notes,
            "passages": [passage.id for passage in chunks.passages if passage.document == each.name],
            "left_out": [
                {"id": part.id, "reason": part.reason, "nearest": part.nearest}
                for part in chunks.skipped
                if part.document == each.name
            ],
        }
        for each in read.documents
    ]
    skipped = [{"name": each.name, "reason": each.reason} for each in read.skipped]
    return {"documents": rows, "not_read": skipped, "passages": len(chunks.passages), "left_out": len(chunks.skipped)}


def _print(read: Read, chunks: Chunks) -> None:
    for each in read.documents:
        _print_document(each, chunks)
    for skipped in read.skipped:
        print(f"{skipped.name}\n  not read: {skipped.reason}")
    pages = sum(len(each.pages) for each in read.documents)
    chars = sum(len(each.text) for each in read.documents)
    words = sum(len(each.text.split()) for each in chunks.passages)
    print()
    table(
        {
            "documents": f"{len(read.documents):,} read, {len(read.skipped):,} not read",
            "text": f"{counted(chars, 'character')}" + (f", {counted(pages, 'page')}" if pages else ""),
            "passages": f"{len(chunks.passages):,}, {words / max(len(chunks.passages), 1):,.0f} words on average",
            "left out": _reasons(Counter(each.reason for each in chunks.skipped)) or "nothing",
        }
    )
    for line in _warnings(chunks):
        say(f"warning: {line}")


def _print_document(document: Document, chunks: Chunks) -> None:
    kept = sum(each.document == document.name for each in chunks.passages)
    left = [each for each in chunks.skipped if each.document == document.name]
    pages = f", {counted(len(document.pages), 'page')}" if document.pages else ""
    print(document.name + (f": {document.title}" if document.title else ""))
    print(f"  {document.format}{pages}, {counted(len(document.text), 'character')}, {counted(kept, 'passage')}")
    if left:
        print(f"  left out: {_reasons(Counter(each.reason for each in left))}")
    nearest = dict.fromkeys(each.nearest for each in left if each.nearest)
    if nearest:
        print(f"  similar to: {', '.join(map(str, nearest))}")
    if document.notes:
        print(f"  removed: {', '.join(document.notes)}")


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items())


def _warnings(chunks: Chunks) -> list[str]:
    """Return a line for each document with personal data: how many passages hold which kinds, never the data."""
    from ..filters.personal import NAMES, find_personal

    found: dict[str, Counter[str]] = {}
    for each in chunks.passages:
        kinds = {span.kind for span in find_personal(each.text)}
        if kinds:
            found.setdefault(each.document, Counter()).update(NAMES[kind] for kind in kinds)
    return [
        f"{name}: {kind} in {counted(count, 'passage')}; the teacher is shown it and may repeat it"
        for name, kinds in found.items()
        for kind, count in kinds.items()
    ]
