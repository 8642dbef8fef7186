"""Find the files that a user means by a folder, a file or a pattern, and read them as documents."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ..core import version as _version
from ..core.documents import Passage
from ..core.errors import UsageError
from ..core.paths import expand, quoted
from .chunk import chunk_documents
from .document import Document, ParseLimits, Read, SkippedFile, Unreadable
from .parsers import FORMATS, SUFFIXES
from .sandbox import Sandbox

if TYPE_CHECKING:
    from ..config.run_config import RunConfig

_log = logging.getLogger(__name__)

_READABLE = "PDF, HTML, DOCX, EPUB, Markdown, text"


def read_documents(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    readers: Mapping[str, str] | None = None,
    limits: ParseLimits | None = None,
) -> Read:
    """Read files, folders with their subfolders, and patterns such as 'manuals/**/*.pdf'.

    Args:
        sources: One or several of these; '~' is the home folder.
        readers: Functions of your own for some endings: {'.pdf': 'package.module:function'}. Each is called with a Path
            and returns the text, as Markdown, or a list of one text per page.
        limits: What each document may use.

    Raises:
        UsageError: A source doesn't exist, a library is missing, or a reader can't be loaded. What is wrong with a
            file is no error: it becomes a SkippedFile.
    """
    own = {(key if key.startswith(".") else f".{key}").lower(): name for key, name in (readers or {}).items()}
    documents, skipped = list[Document](), list[SkippedFile]()
    names, seen = set[str](), dict[tuple[int, int], str]()
    given = [sources] if isinstance(sources, str | os.PathLike) else sources
    with Sandbox(limits or ParseLimits()) as sandbox:
        for folder, path in (found for source in given for found in _files(expand(os.fspath(source)))):
            name = _name(path, folder, names)
            suffix = path.suffix.lower()
            key = SUFFIXES.get(suffix, "txt" if suffix in own else None)
            try:
                there = _regular_file(path)
                if (there.st_dev, there.st_ino) in seen:
                    raise Unreadable(f"is the same file as {seen[there.st_dev, there.st_ino]}")
                if key is None:
                    raise Unreadable(f"{suffix or 'a name without an ending'} isn't read ({_READABLE} are)")
                seen[there.st_dev, there.st_ino] = name
                parsed = sandbox.parse(path, key, own.get(suffix))
                documents.append(Document(name, FORMATS[key].name if suffix not in own else suffix[1:], *parsed))
            except Unreadable as error:
                skipped.append(SkippedFile(name, str(error)))
    return Read(tuple(documents), tuple(skipped))


def files_digest(config: RunConfig) -> str:
    """Return a hash of the names, sizes, and times of a run's documents, and of how they are cut.

    While it is the same, so are the passages. Empty where a reader of one's own decides what a file holds.

    Raises:
        UsageError: A source doesn't exist.
    """
    if config.document_readers:
        return ""
    found = list[object]([_version.__version__, config.passage_words])
    for _, path in (found for source in config.document_sources for found in _files(expand(source))):
        with contextlib.suppress(OSError):
            there = path.stat()
            found.append((str(path), there.st_size, there.st_mtime_ns, there.st_ino))
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:32]


def load_passages(config: RunConfig, known: Iterable[Passage] = ()) -> list[Passage]:
    """Return the passages of a run's documents; log what files were not read. known: those that the run has.

    Raises:
        UsageError: As `read_documents`, or there is no passage.
    """
    sources = config.document_sources
    read = read_documents(sources, readers=config.document_readers)
    unread = [each for each in read.skipped if PurePath(each.name).suffix.lower() in SUFFIXES]
    if unread:
        more = f" and {len(unread) - 1:,} more" if len(unread) > 1 else ""
        _log.warning("selfinstruct: warning: documents: not read: %s (%s)%s", unread[0].name, unread[0].reason, more)
    passages = list(chunk_documents(read.documents, max_words=config.passage_words, known=known).passages)
    if not passages:
        where = " ".join(map(quoted, sources))
        raise UsageError(f"documents: no passage was found in {where}; `selfinstruct documents {where}` says why")
    return passages


def _regular_file(path: Path) -> os.stat_result:
    """Return what the system knows about a file. Raises Unreadable if it isn't a plain file that can be read."""
    try:
        there = path.stat()
    except OSError as error:
        loop = "a loop of links" if error.errno == errno.ELOOP else error.strerror
        raise Unreadable(f"can't be read: {loop}") from None
    if not stat.S_ISREG(there.st_mode):
        raise Unreadable("is a folder that was read already" if stat.S_ISDIR(there.st_mode) else "is no plain file")
    return there


def _files(source: str) -> Iterator[tuple[Path, Path]]:
    """Yield the files that a source names, sorted, each with the folder that its name is relative to."""
    if os.path.isdir(source):
        yield from ((Path(source), path) for path in _walk(source, set()))
    elif os.path.lexists(source):
        yield Path(source).parent, Path(source)
    elif glob.has_magic(source):
        # 'manuals/**/*.pdf': names are relative to 'manuals'.
        parts = PurePath(source).parts
        fixed = Path(*parts[: next(index for index, part in enumerate(parts) if glob.has_magic(part))])
        found = [Path(path) for path in sorted(glob.glob(source, recursive=True)) if not os.path.isdir(path)]
        if not found:
            raise UsageError(f"{source}: no file fits this pattern; check it")
        yield from ((fixed, path) for path in found)
    else:
        raise UsageError(f"{source}: no such file or folder; check the path")


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield the files below a folder, sorted by path; not hidden ones. A folder that is met again is yielded itself."""
    try:
        there = os.stat(folder)
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"{folder}: can't be read: {error.strerror}") from None
    seen.add((there.st_dev, there.st_ino))
    for path in (Path(folder, name) for name in entries if not name.startswith(".")):
        if not path.is_dir() or (path.stat().st_dev, path.stat().st_ino) in seen:
            yield path
        else:
            yield from _walk(str(path), seen)


def _name(path: Path, folder: Path, names: set[str]) -> str:
    """Return a document's name: its path below the folder, and above it as far as another has this name already."""
    name = path.relative_to(folder).as_posix()
    above = list(path.absolute().relative_to(path.absolute().anchor).parts[: -name.count("/") - 1])
    while name in names and above:
        name = f"{above.pop()}/{name}"
    names.add(name)
    return name
