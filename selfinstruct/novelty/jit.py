"""The `compiled` decorator, and machine instructions that Python has no operator for.

Compiled code is cached between starts: in NUMBA_CACHE_DIR if set, else next to the package, or in the user's cache
folder if that isn't writable, else not at all. numba checks only the file of a function, not the files of its callees,
so each state of this package's sources has a cache folder of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..core.paths import cache_folder
from .arrays import LANES, MARK_BITS, Array

Function = TypeVar("Function", bound=Callable[..., Any])

_COMPILE: Any = numba.njit
_CONFIG: Any = numba.config
_HERE = Path(__file__).parent
# nogil: threads run in parallel. error_model "numpy": no check for division by zero.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Compile `function` at its first call, to machine code that runs without the interpreter lock.

    The function must not allocate arrays. Then it needs no reference counting (`_nrt`), which takes functions with
    many array arguments several times as long as their work.
    """
    # Fall back to no cache (no writable folder), then to plain options (numba without `_nrt`).
    made: Any = None
    before, _CONFIG.CACHE_DIR = _CONFIG.CACHE_DIR, _folder()
    for options in ({"cache": True, "_nrt": False}, {"_nrt": False}, {}):
        try:
            made = _COMPILE(**_OPTIONS, **options)(function)
            break
        except (RuntimeError, KeyError, TypeError):
            continue
    _CONFIG.CACHE_DIR = before
    return cast(Function, made)


@cache
def _folder() -> str:
    """Return the cache folder for the current state of this package's sources."""
    sources = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        sources.update(path.read_bytes())
    name = f"compiled-{sources.hexdigest()[:12]}"
    parent = Path(_CONFIG.CACHE_DIR) if _CONFIG.CACHE_DIR else _HERE / "__pycache__"
    if os.access(parent if parent.exists() else parent.parent, os.W_OK):
        return str(parent / name)
    # numba reads no folder that it can't write to, so copy what is compiled there, as in a container's image.
    own = cache_folder() / name
    if (parent / name).is_dir() and not own.exists():
        fresh = own.with_name(f"{name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            shutil.copytree(parent / name, fresh)
            fresh.rename(own)
    return str(own)


# Casts to machine integers. `Any`, so that the type checker accepts the results as `int`.
i64: Any = np.int64
u64: Any = np.uint64

# Each function below returns a numba signature and a function that emits LLVM code for one call. They are LLVM
# operations, not for one processor: `marks_within` is seven instructions with AVX-512 and some two dozen with AVX2 or
# NEON, with the same result.
_helpers: Any = cgutils
_BYTE, _INT, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_WORDS = ir.VectorType(_WORD, LANES)


def _count_ones(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _find_one(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # The flag says that the result for 0 is undefined, which spares a branch.
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _fetch(typing_context: Any, array: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = _helpers.unpack_tuple(builder, made.strides)[0]
        place = builder.gep(builder.bitcast(made.data, _BYTE.as_pointer()), [builder.mul(arguments[1], stride)])
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT, _INT, _INT])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE.as_pointer()], kind)
        builder.call(fetch, [place, _INT(0), _INT(3), _INT(1)])  # for reading, into all cache levels, data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _compare(typing_context: Any, marks: Any, at: Any, own: Any, limit: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = ir.Constant(ir.VectorType(_INT, LANES), None)
        count = _helpers.get_or_insert_function(
            builder.module, ir.FunctionType(_WORDS, [_WORDS]), f"llvm.ctpop.v{LANES}i64"
        )

        # Broadcast a word to all lanes: insert it into lane 0, then shuffle lane 0 everywhere.
        def everywhere(word: Any) -> Any:
            nothing = ir.Constant(_WORDS, ir.Undefined)
            return builder.shuffle_vector(builder.insert_element(nothing, word, _INT(0)), nothing, first)

        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        there = builder.bitcast(builder.gep(array.data, [arguments[1]]), _WORDS.as_pointer())
        # own has position 0, so the xor leaves the position of each mark in its upper bits and the differing
        # signature bits in its lower ones.
        differing = builder.xor(builder.load(there, align=8), everywhere(arguments[2]))
        signatures = builder.and_(differing, everywhere(_WORD((1 << MARK_BITS) - 1)))
        places = builder.lshr(differing, everywhere(_WORD(MARK_BITS)))
        unshared = builder.add(builder.call(count, [signatures]), places)
        bits = builder.bitcast(builder.icmp_signed("<=", unshared, everywhere(arguments[3])), ir.IntType(LANES))
        return builder.zext(bits, _WORD)

    return types.uint64(marks, types.int64, types.uint64, types.int64), generate


# popcount(word): number of set bits in a 64-bit word.
popcount = cast(Callable[[Any], int], intrinsic(_count_ones))

# lowest_set_bit(word): index of the lowest set bit in a 64-bit word that is not 0.
lowest_set_bit = cast(Callable[[Any], int], intrinsic(_find_one))

# prefetch(array, index): start loading an entry into the cache, without waiting. An index out of range is harmless.
prefetch = cast(Callable[[Array, int], None], intrinsic(_fetch))

# marks_within(marks, index, own, limit): compare LANES marks from `index` on with `own`, a signature with position 0.
# Bit k of the result is set if at most `limit` tokens are unshared by mark k: the number of tokens before its position
# plus the number of differing signature bits.
marks_within = cast(Callable[[Array, int, Any, int], Any], intrinsic(_compare))
