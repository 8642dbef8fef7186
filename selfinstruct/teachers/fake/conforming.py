"""Generate a value that conforms to a JSON schema, so that users can rehearse strategies with their own schemas.

Covers what structured outputs allow: types, `enum`, `const`, `anyOf`, `oneOf`, `allOf`, `$ref`, and limits on numbers,
lengths, and lists. Does not cover `pattern`, `not`, `if`, or formats other than those in `_FORMATS`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_FORMATS = {
    "date": "2023-05-17",
    "time": "09:30:00Z",
    "date-time": "2023-05-17T09:30:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "6f0a3c1e-58a4-4f3d-9d0b-2a6f6c0d1e57",
}
_DEEP = 8
"""Depth from which only required properties are written, so that a recursive schema ends."""


def conforming(schema: Schema | bool, draw: random.Random, sentence: Callable[[], str]) -> Any:
    """Return a JSON value that conforms to `schema`; True allows anything. sentence: returns the text of a string."""
    return _Writer(schema if isinstance(schema, Mapping) else {}, draw, sentence).value(schema, 0)


class _Writer:
    """Generates values for the parts of one schema; `$ref` refers to its root."""

    def __init__(self, root: Schema, draw: random.Random, sentence: Callable[[], str]) -> None:
        self._root, self._draw, self._sentence = root, draw, sentence

    def value(self, schema: Schema | bool, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return self._sentence()
        schema = self._resolve(schema)
        # {"const": 1} and {"enum": ["a", "b"]} list their values.
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._draw.choice(schema["enum"])
        # {"anyOf": [{...}, {"type": "null"}]}: at depth, take the shortest alternative, which is likely to end.
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            rest = {key: item for key, item in schema.items() if key not in ("anyOf", "oneOf")}
            chosen = self._draw.choice(choices) if depth < _DEEP else min(choices, key=lambda each: len(str(each)))
            return self.value(_merge(rest, self._resolve(chosen)), depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "string")
        # {"type": ["string", "null"]}
        if isinstance(kind, list):
            kind = "null" if depth >= _DEEP and "null" in kind else self._draw.choice(kind)
        write = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._number,
            "number": self._number,
        }.get(kind)
        if write is not None:
            return write({**schema, "type": kind}, depth)
        return self._draw.random() < 0.5 if kind == "boolean" else None

    def _resolve(self, schema: Schema) -> Schema:
        """Follow `$ref`, such as '#/$defs/Step', and merge `allOf`."""
        for _ in range(_DEEP):  # a chain of references may be a cycle
            # '#/$defs/Step' is a path from the root; '~1' is an escaped '/', '~0' an escaped '~'.
            if "$ref" in schema:
                found: Any = self._root
                for part in schema["$ref"].lstrip("#").split("/")[1:]:
                    found = found[part.replace("~1", "/").replace("~0", "~")]
                schema = _merge({key: item for key, item in schema.items() if key != "$ref"}, found)
            elif "allOf" in schema:
                parts = [self._resolve(part) for part in schema["allOf"]]
                schema = {key: item for key, item in schema.items() if key != "allOf"}
                for part in parts:
                    schema = _merge(schema, part)
            else:
                break
        return schema

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        names = [name for name in properties if depth < _DEEP or name in required]
        names += [name for name in required if name not in properties]
        return {name: self.value(properties.get(name, True), depth + 1) for name in names}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        # Three items, unless minItems, maxItems, prefixItems, or {"items": false} say otherwise.
        first = schema.get("prefixItems", [])
        least = max(schema.get("minItems", 0), len(first))
        wanted = max(least, 0 if depth >= _DEEP else 3)
        count = min(wanted, schema.get("maxItems", wanted), len(first) if schema.get("items") is False else wanted)
        found: list[Any] = []
        for _ in range(20 * count):  # more attempts than items, because uniqueItems may reject some
            if len(found) == count:
                break
            item = self.value(first[len(found)] if len(found) < len(first) else schema.get("items", True), depth + 1)
            if not schema.get("uniqueItems") or item not in found:
                found.append(item)
        return found

    def _string(self, schema: Schema, depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._sentence()
        while len(text) < schema.get("minLength", 0):
            text += " " + self._sentence()
        return text[: schema.get("maxLength", len(text))]

    def _number(self, schema: Schema, depth: int) -> int | float:
        step = schema.get("multipleOf", 1 if schema.get("type") == "integer" else 0.5)
        # Choose among the multiples of `step` between the limits. An open side lies 100 steps from the other limit.
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        low = (min(1, high - 100 * step) if high is not None else 1) if low is None else low
        high = low + 100 * step if high is None else high
        first, last = math.ceil(low / step), math.floor(high / step)
        first += "exclusiveMinimum" in schema and first * step <= schema["exclusiveMinimum"]
        last -= "exclusiveMaximum" in schema and last * step >= schema["exclusiveMaximum"]
        if first > last:  # 0.1 to 0.3 contains no multiple of the default step 0.5
            return float((low + high) / 2)
        value = self._draw.randint(first, last) * step
        return int(value) if schema.get("type") == "integer" else value


def _merge(schema: Schema, other: Schema | bool) -> Schema:
    """Merge two schemas: properties and required names of both, other keys of the second."""
    if not isinstance(other, Mapping):
        return schema
    both = {**schema, **other}
    if "properties" in schema and "properties" in other:
        both["properties"] = {**schema["properties"], **other["properties"]}
    if "required" in schema and "required" in other:
        both["required"] = list(dict.fromkeys([*schema["required"], *other["required"]]))
    return both
