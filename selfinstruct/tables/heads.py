"""The first bytes of a text file tell what it is; nothing that isn't text in UTF-8 is read any further."""

from __future__ import annotations

from typing import BinaryIO

from ..core.errors import UsageError
from .chunks import BLOCK_BYTES

_HEAD_BYTES = 4096
_MAGIC = {
    b"\x1f\x8b": "is compressed (gzip); unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd); unpack it first",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; unpack it, or save it as CSV",
    b"PAR1": "is Parquet; let its name end in .parquet",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}


def read_head(name: str, file: BinaryIO) -> bytes:
    """The file's first block without a byte order mark. Raises UsageError for what isn't text in UTF-8 at all."""
    data = file.read(BLOCK_BYTES)
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise UsageError(f"{name}: {what}")
    data = data.removeprefix(b"\xef\xbb\xbf")
    while not data.strip():
        more = file.read(BLOCK_BYTES)
        if not more:
            raise UsageError(f"{name}: is empty; a task a line is expected")
        data += more
    head = data[:_HEAD_BYTES]
    even, odd = head[::2], head[1::2]
    if (0 in even) != (0 in odd) and not (even.strip(b"\0") and odd.strip(b"\0")):
        raise UsageError(f"{name}: is UTF-16; save it as UTF-8")
    if b"\0" in head and (not head.strip(b"\0") or not _is_text(head)):
        raise UsageError(f"{name}: is a binary file; JSON Lines, JSON, CSV or Parquet is expected")
    return data


def decoded(name: str, data: bytes, line: int = 1) -> str:
    """Bytes that begin on a file's line `line` as text. Raises UsageError with the line that isn't UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise UsageError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from None


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == _HEAD_BYTES and error.start > len(head) - 4  # the cut went through a character
    return True
