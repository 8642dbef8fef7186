"""Compiled: check or insert one row, called with a table of array addresses instead of the arrays themselves.

Passing an array to compiled code takes about 0.1 microseconds, and a search needs thirty arrays: in a pool of some ten
thousand texts, that is as long as the search. `OnlineEngine` builds the table once and passes it with every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

from .arrays import Array, Arrays, empty_arrays
from .jit import compiled
from .lcs import Scratch, scratch_for
from .postings import insert
from .search import Hits, Visits, check_one, no_hits

_WORD = ir.IntType(64)
# Words of the table per array: the address and up to three sizes.
_FIELDS = 4
_typeof: Any = numba.typeof
_fill: Any = arrayobj.populate_array


class SearchBuffers(NamedTuple):
    """Everything that a search for one row reads and writes."""

    arrays: Arrays  # the index
    visits: Visits  # room for the visits of the row
    found: Hits  # see `search.compare`
    scratch: Scratch
    row: Array  # int64[1] each; the row, and the number of its visits
    keys: Array  # int64; room for the tokens of the row
    ends: Array
    counts: Array


def addresses_of(buffers: SearchBuffers) -> Array:
    """Return the addresses and sizes of all arrays, int64[arrays, _FIELDS]; valid while `buffers` is alive."""
    return np.array(list(_address_rows(buffers)), np.int64)


def _address_rows(part: Any) -> Iterator[list[int]]:
    # Depth first, in the order in which `_buffers_intrinsic` reads the table back. A plain int takes one row too.
    if isinstance(part, tuple):
        for inner in part:
            yield from _address_rows(inner)
    elif isinstance(part, np.ndarray):
        assert part.flags.c_contiguous
        yield [part.ctypes.data, *part.shape, *[0] * (_FIELDS - 1 - part.ndim)]
    else:
        yield [part, *[0] * (_FIELDS - 1)]


def buffers_for(arrays: Arrays, scratch: Scratch, cutoff: float, longest: int) -> SearchBuffers:
    """Allocate the buffers for rows of up to `longest` tokens; `arrays` and `scratch` are used as they are."""
    visits = Visits(np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest, np.int64), 0)
    row, ends, counts = np.zeros(1, np.int64), np.empty(1, np.int64), np.zeros(2, np.int64)
    return SearchBuffers(arrays, visits, no_hits(1, cutoff), scratch, row, np.empty(longest, np.int64), ends, counts)


def _buffers_intrinsic(typing_context: Any, table: Any) -> Any:
    # The numba type of SearchBuffers, taken from a sample value.
    kind: Any = _typeof(buffers_for(empty_arrays(1, 1, 1, 1), scratch_for(1, 1, 1), 1.0, 1))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(table)(context, builder, arguments[0]).data
        places = iter(range(0, 1 << 20, _FIELDS))

        def made(part: Any) -> Any:
            if isinstance(part, types.NamedTuple):
                return context.make_tuple(builder, part, [made(inner) for inner in part.types])
            # An array of numba is a struct of address, shape and strides. All arrays are C-contiguous, so the strides
            # follow from the sizes: the last one is the width of an item.
            first = next(places)
            words = [builder.load(builder.gep(data, [_WORD(first + k)])) for k in range(_FIELDS)]
            if not isinstance(part, types.Array):
                return words[0]
            array = context.make_array(part)(context, builder)
            width = context.get_abi_sizeof(context.get_data_type(part.dtype))
            shape, strides = words[1 : 1 + part.ndim], [_WORD(width)]
            for size in shape[:0:-1]:
                strides.insert(0, builder.mul(strides[0], size))
            at = builder.inttoptr(words[0], array.data.type)
            _fill(array, at, shape, strides, _WORD(width), None)
            return array._getvalue()

        return made(kind)

    return kind(table), generate


# Rebuild the buffers from their table, inside compiled code.
_buffers_at = cast(Callable[[Array], SearchBuffers], intrinsic(_buffers_intrinsic))


@compiled
def check_at(table: Array, cutoff: float, turn: int) -> None:
    """Call `check_one` with the buffers of `table`."""
    buffers = _buffers_at(table)
    arrays, visits, found, scratch, row, keys, ends, counts = buffers
    check_one(arrays, row, keys, visits, ends, cutoff, found, scratch, turn, counts)


@compiled
def insert_at(table: Array, row: int) -> bool:
    """Call `insert` with the buffers of `table`; returns False if there was no room."""
    return insert(_buffers_at(table).arrays, row)
