"""Compiled: machine instructions that Python has no word for. Each becomes one or a few wherever it is called.

They are written as LLVM's own operations, not for one processor: `within` is four instructions with AVX-512, some
dozen with AVX2 or NEON, and gives the same bits everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .arrays import LANES, Array

_helpers: Any = cgutils
_BYTE, _INT, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_WORD, LANES)


def _count_ones(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _find_one(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _fetch(typing_context: Any, array: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = _helpers.unpack_tuple(builder, made.strides)[0]
        place = builder.gep(builder.bitcast(made.data, _BYTE.as_pointer()), [builder.mul(arguments[1], stride)])
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT, _INT, _INT])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE.as_pointer()], kind)
        builder.call(fetch, [place, _INT(0), _INT(3), _INT(1)])  # to read, into the nearest cache, data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _compare(typing_context: Any, low: Any, high: Any, at: Any, own_low: Any, own_high: Any, limit: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = ir.Constant(ir.VectorType(_INT, LANES), None)
        count = _helpers.get_or_insert_function(
            builder.module, ir.FunctionType(_WORDS, [_WORDS]), f"llvm.ctpop.v{LANES}i64"
        )

        def everywhere(word: Any) -> Any:
            nothing = ir.Constant(_WORDS, ir.Undefined)
            return builder.shuffle_vector(builder.insert_element(nothing, word, _INT(0)), nothing, first)

        def unshared(which: int, own: Any) -> Any:
            array = context.make_array(signature.args[which])(context, builder, arguments[which])
            place = builder.bitcast(builder.gep(array.data, [arguments[2]]), _WORDS.as_pointer())
            return builder.call(count, [builder.xor(builder.load(place, align=8), everywhere(own))])

        ones = builder.add(unshared(0, arguments[3]), unshared(1, arguments[4]))
        bits = builder.bitcast(builder.icmp_signed("<=", ones, everywhere(arguments[5])), ir.IntType(LANES))
        return builder.zext(bits, _WORD)

    return types.uint64(low, high, types.int64, types.uint64, types.uint64, types.int64), generate


popcount = cast(Callable[[Any], int], intrinsic(_count_ones))
"""The number of ones in a 64-bit word."""

first_one = cast(Callable[[Any], int], intrinsic(_find_one))
"""The place of the lowest one in a 64-bit word that has one."""

prefetch = cast(Callable[[Array, int], None], intrinsic(_fetch))
"""Bring an array's entry into the cache, without waiting for it. Any place will do, even one outside of the array."""

within = cast(Callable[[Array, Array, int, Any, Any, int], Any], intrinsic(_compare))
"""Compare the signatures at LANES places, from one place on, with one: bit k of the answer says whether at most `limit`
of the 128 bits differ at the kth. low, high uint64: the halves of the signatures, contiguous."""
