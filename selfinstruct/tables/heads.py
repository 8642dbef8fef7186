"""Check the first bytes of a text file: reject anything that is not UTF-8 text, and say what the file is instead."""

from __future__ import annotations

from typing import BinaryIO

from ..core.errors import UsageError
from .chunks import BLOCK_BYTES

_HEAD_BYTES = 4096
# File signatures, and what to do with such a file.
_MAGIC = {
    b"\x1f\x8b": "is compressed (gzip); unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd); unpack it first",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; unpack it, or save it as CSV",
    b"PAR1": "is Parquet; rename the file to end in .parquet",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}


def read_head(name: str, file: BinaryIO) -> bytes:
    """Return the first block of a file, without a byte order mark. Raises UsageError if the file is not UTF-8 text."""
    data = file.read(BLOCK_BYTES)
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise UsageError(f"{name}: {what}")
    data = data.removeprefix(b"\xef\xbb\xbf")
    # Skip blank blocks; a file without any text is an error.
    while not data.strip():
        more = file.read(BLOCK_BYTES)
        if not more:
            raise UsageError(f"{name}: is empty; write one task per line")
        data += more
    # UTF-16 without a byte order mark: in mostly Latin text, every other byte is zero.
    head = data[:_HEAD_BYTES]
    even, odd = head[::2], head[1::2]
    if (0 in even) != (0 in odd) and not (even.strip(b"\0") and odd.strip(b"\0")):
        raise UsageError(f"{name}: is UTF-16; save it as UTF-8")
    if b"\0" in head and (not head.strip(b"\0") or not _is_text(head)):
        raise UsageError(f"{name}: is a binary file; give JSON Lines, JSON, CSV or Parquet")
    return data


def decode_utf8(name: str, data: bytes, line: int = 1) -> str:
    """Decode bytes that begin on line `line` of a file. Raises UsageError with the line that is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise UsageError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from None


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == _HEAD_BYTES and error.start > len(head) - 4  # the head ends inside a character
    return True
