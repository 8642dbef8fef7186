"""Compiled: a search for one row, called with a table of where its arrays lie instead of the arrays.

Handing an array to compiled code takes about a tenth of a microsecond, and a search needs thirty: in a pool of some ten
thousand texts that is as long as searching.
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
from .common import Scratch, scratch_for
from .jit import compiled
from .postings import insert
from .search import Found, Visits, check_one, nothing_found

_WORD = ir.IntType(64)
_FIELDS = 4
"""Words of the table for an array: its address and up to three sizes."""
_typeof: Any = numba.typeof
_fill: Any = arrayobj.populate_array


class Desk(NamedTuple):
    """What a search for one row reads and writes.

    row int64[1]: the row. keys int64: room for its tokens. visits: room for its entries. ends int64[1]: how many.
    found, scratch, counts: as `search.compare` has them.
    """

    arrays: Arrays
    visits: Visits
    found: Found
    scratch: Scratch
    row: Array
    keys: Array
    ends: Array
    counts: Array


def table_of(desk: Desk) -> Array:
    """Where the arrays of a desk lie, int64[arrays, _FIELDS]. It holds as long as someone holds the desk."""
    return np.array(list(_lines(desk)), np.int64)


def _lines(part: Any) -> Iterator[list[int]]:
    if isinstance(part, tuple):
        for inner in part:
            yield from _lines(inner)
    elif isinstance(part, np.ndarray):
        assert part.flags.c_contiguous
        yield [part.ctypes.data, *part.shape, *[0] * (_FIELDS - 1 - part.ndim)]
    else:
        yield [part, *[0] * (_FIELDS - 1)]


def desk_for(arrays: Arrays, scratch: Scratch, cutoff: float, longest: int) -> Desk:
    """A desk for rows of up to `longest` tokens."""
    visits = Visits(np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest, np.int64), 0)
    row, ends, counts = np.zeros(1, np.int64), np.empty(1, np.int64), np.zeros(2, np.int64)
    return Desk(arrays, visits, nothing_found(1, cutoff), scratch, row, np.empty(longest, np.int64), ends, counts)


def _take(typing_context: Any, table: Any) -> Any:
    kind: Any = _typeof(desk_for(empty_arrays(1, 1, 1, 1), scratch_for(1, 1, 1), 1.0, 1))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(table)(context, builder, arguments[0]).data
        places = iter(range(0, 1 << 20, _FIELDS))

        def made(part: Any) -> Any:
            if isinstance(part, types.NamedTuple):
                return context.make_tuple(builder, part, [made(inner) for inner in part.types])
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


_desk = cast(Callable[[Array], Desk], intrinsic(_take))
"""The desk that a table is of."""


@compiled
def check_at(table: Array, cutoff: float, turn: int) -> None:
    """`check_one` at the desk that the table is of."""
    desk = _desk(table)
    check_one(
        desk.arrays,
        desk.row,
        desk.keys,
        desk.visits,
        desk.ends,
        cutoff,
        desk.found,
        desk.scratch,
        turn,
        desk.counts,
    )


@compiled
def insert_at(table: Array, row: int) -> bool:
    """`insert` at the desk that the table is of."""
    return insert(_desk(table).arrays, row)
