"""The fake teacher answers any JSON schema with a value that conforms to it."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from selfinstruct import FakeTeacher, Message, Prompt, Sampling
from selfinstruct.teachers.fake.conforming import conforming

TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 9},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "maxItems": 2},
                "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "parent"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/Node",
}
CRITIQUE = {
    "title": "critique",
    "type": "object",
    "properties": {
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "verdict": {"enum": ["keep", "revise"]},
        "flaws": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "confident": {"type": "boolean"},
        "source": {"type": ["string", "null"]},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    },
    "required": ["score", "verdict", "flaws", "confident", "source", "share"],
    "additionalProperties": False,
}


def limits(low: str, high: str, least: int, most: int) -> st.SearchStrategy[dict[str, int]]:
    """Either limit, both or none, the lower one first."""
    pair = st.tuples(st.integers(least, most), st.integers(0, 9)).map(lambda p: {low: p[0], high: p[0] + p[1]})
    return st.one_of(st.just({}), pair, pair.map(lambda d: {low: d[low]}), pair.map(lambda d: {high: d[high]}))


LEAVES = st.one_of(
    limits("minLength", "maxLength", 0, 300).map(lambda d: {"type": "string", **d}),
    limits("minimum", "maximum", -50, 50).map(lambda d: {"type": "integer", **d}),
    limits("minimum", "maximum", -50, 50).map(lambda d: {"type": "number", **d}),
    st.integers(1, 9).map(lambda step: {"type": "integer", "multipleOf": step}),
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.lists(st.one_of(st.none(), st.integers(), st.text()), min_size=1).map(lambda values: {"enum": values}),
    st.integers().map(lambda value: {"const": value}),
    st.sampled_from(["date", "email", "uuid"]).map(lambda name: {"type": "string", "format": name}),
    st.just({"type": ["string", "null", "integer"]}),
)


def around(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects, lists, and alternatives of schemas."""
    properties = st.dictionaries(st.text(max_size=5), inner, max_size=4)
    objects = properties.flatmap(
        lambda found: st.lists(st.sampled_from([*found, "other"]), unique=True).map(
            lambda names: {"type": "object", "properties": found, "required": names}
        )
    )
    arrays = st.tuples(inner, limits("minItems", "maxItems", 0, 4)).map(
        lambda pair: {"type": "array", "items": pair[0], **pair[1]}
    )
    either = st.lists(inner, min_size=1, max_size=3).map(lambda found: {"anyOf": found})
    both = st.tuples(objects, objects).map(lambda pair: {"allOf": list(pair)})
    return st.one_of(objects, arrays, either, both)


@given(st.recursive(LEAVES, around, max_leaves=8), st.integers())
@settings(max_examples=200, deadline=None)
def test_every_value_conforms(schema: dict[str, Any], seed: int) -> None:
    value = conforming(schema, random.Random(seed), lambda: "A sentence.")
    clash = any(set(a.get("properties", {})) & set(b.get("properties", {})) for a, b in _pairs(schema))
    if not clash:  # one property under two schemas may have no value at all
        jsonschema.validate(json.loads(json.dumps(value)), schema)


def _pairs(schema: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The parts of every `allOf`, two and two."""
    found = []
    if isinstance(schema, dict):
        parts = schema.get("allOf", [])
        found += [(parts[0], parts[1])] if len(parts) == 2 else []
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return found + [pair for each in inner for pair in _pairs(each)]


@pytest.mark.parametrize(
    "schema", [TREE, CRITIQUE, {}, {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True}]
)
@pytest.mark.parametrize("seed", range(10))
def test_recursion_and_what_structured_outputs_use(schema: dict[str, Any], seed: int) -> None:
    jsonschema.validate(conforming(schema, random.Random(seed), lambda: "A sentence."), schema)


def test_the_fake_teacher_answers_a_schema_of_the_users() -> None:
    prompt = Prompt("critique", (Message("user", "Is this a good task?"),), Sampling(), schema=CRITIQUE)
    answers = [asyncio.run(FakeTeacher().complete(prompt)).text for _ in range(2)]
    assert answers[0] == answers[1], "the same prompt gets the same answer"
    jsonschema.validate(json.loads(answers[0]), CRITIQUE)
