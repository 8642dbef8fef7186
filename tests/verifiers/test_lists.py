"""A list in an answer is read in the form that was asked for, and compared item by item."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.tasks import Verdict
from selfinstruct.verifiers import lists
from selfinstruct.verifiers.lists import READERS, WRITERS

WINDS = ["north", "east", "south", "west"]


async def run(program: Any) -> Any:
    raise AssertionError("nothing is run")


def check(answer: str, form: str, items: list[str] = WINDS, **more: Any) -> Verdict:
    return asyncio.run(lists.verify({"form": form, "items": items, **more}, answer, run))


@pytest.mark.parametrize("form", READERS)
def test_what_is_written_is_read_back_in_its_own_form_only(form: str) -> None:
    assert check(WRITERS[form](WINDS), form).ok
    assert check("\n" + WRITERS[form](WINDS) + "\n", form).ok
    for other in READERS:
        assert check(WRITERS[form](WINDS), other).ok == (other == form)


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(WINDS[::-1], id="another order"),
        pytest.param(WINDS[:-1], id="one missing"),
        pytest.param([*WINDS, "up"], id="one more"),
        pytest.param([*WINDS[:-1], "up"], id="another one"),
        pytest.param(["NORTH", *WINDS[1:]], id="capital letters"),
    ],
)
def test_other_items_are_wrong(form: str, wrong: list[str]) -> None:
    assert check(WRITERS[form](wrong), form).reason == "wrong_answer"


@pytest.mark.parametrize("form", READERS)
def test_text_around_a_list_is_wrong(form: str) -> None:
    written = WRITERS[form](WINDS)
    for text in (
        f"Here is the list:\n{written}",
        f"{written}\nIs there anything else?",
        f"Sure! {written}",
        "",
        "None.",
    ):
        assert not check(text, form).ok, text


def test_small_differences_are_no_mistakes() -> None:
    assert check("north, east,  south,west.", "commas").ok
    assert check("北、东、南、西。", "commas", ["北", "东", "南", "西"]).ok
    assert check("1) North\n2) East\n3) South\n\n4) West", "numbered").ok
    assert check("1.北\n2.东", "numbered", ["北", "东"]).ok
    assert not check("1.north\n2.east", "numbered", ["north", "east"]).ok
    assert check("-  north\n- east", "bullets", ["north", "east"]).ok
    assert not check("-north\n-east", "bullets", ["north", "east"]).ok
    assert check('```json\n["north", "east", "south", "west"]\n```', "json").ok


def test_exact_items_are_compared_letter_by_letter() -> None:
    assert check("North; East; South; West", "semicolons").ok
    assert not check("North; East; South; West", "semicolons", exact=True).ok


def test_any_of_the_items_count_once_each() -> None:
    assert check("west, north", "commas", any=2).ok
    assert check("West, north", "commas", any=2).ok
    assert not check("west, West", "commas", any=2).ok
    assert not check("west, up", "commas", any=2).ok
    assert not check("west, north, east", "commas", any=2).ok


@given(st.text(max_size=60), st.sampled_from(sorted(READERS)))
def test_any_text_gets_a_verdict(text: str, form: str) -> None:
    assert check(text, form, exact=True).reason in (None, "wrong_answer")


@given(st.lists(st.text("abcdé 北", min_size=1).map(str.strip).filter(bool), min_size=2, max_size=6))
def test_any_list_is_read_back(items: list[str]) -> None:
    for form in READERS:
        assert check(WRITERS[form](items), form, items).ok, json.dumps([form, items])
