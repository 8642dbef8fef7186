"""Whatever others wrote, a parser answers or raises one of the project's own errors."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st
from parsers import TARGETS

from conftest import FIGURES, FULL, ROOT
from selfinstruct.config.run_config import RunConfig
from selfinstruct.teachers.fake.teacher import fake_answer

EXAMPLES = 3000 if FULL else 50
tried: Counter[str] = Counter()

PIECES = (
    "1. |2) |### 3\n|Task 4: |Example 1\n|Instruction: |Input: |Output: |Label: |Yes|No|指令：|输入：|输出：|第十题 |是"
    '|<none>|\n|\n\n|\r\n|\t|    |{|}|[|]|, |: |"|""|\\|\\ud800|\\u0000|null|true|NaN|-Infinity|1e999|-0'
    '|```json\n|```|<think>|</think>|"instructions": [|"instances": [|"tasks"|"instruction"|"input"|"output"|"label"'
    '|"choices"|"message"|"content"|"error"|"usage"|"prompt_tokens"|"logprobs"|"top_logprobs"|"finish_reason"|"messages"|"role"|"id"'
    '|"detail"|"errors"|"code"|"status"|"type"|"metadata"|"base_resp"|"thinking"|"reasoning_content"|"text"|"value"|"refusal"'
    "|[THINK]|[/THINK]|◁think▷|<|channel|>analysis<|message|>|<|channel|>final<|message|>|assistantfinal|MAX_TOKENS|error"
    '|insufficient_quota|rate limit|retry in 5s|"custom_id"|"p:0"|"p:1"|"response"|"status_code"|200|"body"'
    '|"is_classification"|teacher|model|base_url|egress|seeds|run_dir|target|filters|dataset|- |* |'
    "!!python/object:os.system |&a |*a |<<: |'|%|{0}|{{x}}|=|,|0.5|429|html|localhost|127.0.0.1|[::1]|@|#|?|..|/|hf://"
    "|Output: ```python\n|~~~\n|---\n|=====\n|#### 18\n|- instruction: |  output: >-\n"
    "|٣. |② |iv) |// |/* |None|True|“|\\\\d"
    "|owner/repo/|.gguf|:99999|\ufeff|\u2028|\x00|\x1b[2J|\u202e|😀"
).split("|")

BODY = {"choices": [{"message": {"content": "1. Name a river."}}], "usage": {"prompt_tokens": 3}}
VALID = [
    (ROOT / "seeds" / "demo.jsonl").read_bytes()[:3000],
    b"instruction,input,output\nName a river.,,The Rhine.\n",
    *(path.read_bytes() for path in sorted((ROOT / "configs").glob("*.yaml"))),
    (ROOT / "selfinstruct" / "strategies" / "prompts" / "en.yaml").read_bytes()[:4000],
    fake_answer("You write tasks, from 4 to 9.").encode(),
    json.dumps(BODY).encode(),
    b"\n".join(
        json.dumps({"custom_id": key, "response": {"status_code": status, "body": BODY}}).encode()
        for key, status in (("p:0", 200), ("p:1", 429), ("p:0", 400))
    ),
]


def _mutated(pair: tuple[bytes, list[tuple[float, bytes]]]) -> bytes:
    """Something that is right, with pieces put in at some places and half of the rest cut off there at times."""
    data, changes = pair
    for place, piece in changes:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + (len(piece) if len(piece) % 2 else 0) :]
    return data


pieces = st.one_of(st.sampled_from(PIECES).map(lambda s: s.encode("utf-8", "replace")), st.binary(max_size=8))
soup = st.lists(st.one_of(pieces, st.text(max_size=8).map(lambda s: s.encode("utf-8", "replace"))), max_size=60)
mutated = st.tuples(st.sampled_from(VALID), st.lists(st.tuples(st.floats(0, 1), pieces), max_size=8)).map(_mutated)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(PIECES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(PIECES) | st.text(max_size=5), inner),
    max_leaves=12,
)
as_json = values.map(lambda value: json.dumps(value).encode())
keyed = st.dictionaries(
    st.sampled_from([*RunConfig.model_fields, "choices", "usage", "model", "instances", "instruction", "messages"]),
    values,
)
as_yaml = keyed.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace"))
inputs = st.one_of(soup.map(b"".join), mutated, as_json, keyed.map(lambda value: json.dumps(value).encode()), as_yaml)


@pytest.fixture(scope="module", autouse=True)
def told() -> Iterator[None]:
    yield
    each = ", ".join(f"{name} {count:,}" for name, count in tried.items())
    FIGURES.append(f"fuzz: {sum(tried.values()):,} inputs tried: {each}")


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_raises_nothing_but_the_projects_own_errors(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(inputs)
    def holds(data: bytes) -> None:
        tried[name] += 1
        target(data)

    holds()


def test_a_foreign_error_is_found() -> None:
    """The test above can fail."""

    def target(data: bytes) -> None:
        json.loads(data)

    with pytest.raises(ValueError, match=r"."):
        settings(max_examples=50, database=None, report_multiple_bugs=False)(given(inputs)(target))()
