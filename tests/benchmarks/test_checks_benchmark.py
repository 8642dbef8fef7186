"""The references of the operations are right, and the checks catch wrong solutions and keep right ones."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from random import Random

import pytest

from conftest import NEEDS_SANDBOX, ROOT
from selfinstruct.strategies.verifiable.python_tasks import inputs_of, operations, reference

sys.path.insert(0, str(ROOT / "benchmarks"))
import checks
import checks_solutions


def test_each_reference_agrees_with_another_style() -> None:
    """On inputs of the type itself, and on what other operations make of them."""
    unlike = set()
    known = operations()
    for operation in (each for group in known.values() for each in group):
        other = getattr(checks_solutions, operation.name)
        before = [[]] + [
            [replace(each, parameters={key: values[0] for key, values in each.parameters.items()})]
            for group in known.values()
            for each in group
            if each.gives == operation.takes and each.name not in ("product", "codepoints")
        ]
        for number, parameters in enumerate(checks.parameters_of(operation)):
            step = replace(operation, parameters=parameters)
            for chain in before:
                for given in inputs_of([*chain, step], Random(number)):
                    value = reference(chain)(given)
                    found = json.loads(json.dumps(other(value, *parameters.values())))
                    if found != json.loads(json.dumps(reference([*chain, step])(given))):
                        unlike.add((operation.name, str(value)[:80]))
    assert unlike == set()


@pytest.mark.slow
@NEEDS_SANDBOX
def test_wrong_code_is_caught_and_right_code_is_kept() -> None:
    found = asyncio.run(checks.measure(200))
    assert (found["wrong"], found["right"]) == (100, 100)
    assert len(found["missed"]) <= 5
    assert len(found["lost"]) <= 2
