"""Each published rule at its borders, its parameters, its counterpart in other scripts, and your own filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from worked import Pair, keep

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.tasks import Candidate, Verdict
from selfinstruct.filters import build_checks, describe_filters, instruction_filters
from selfinstruct.filters.evaluation_sets import EvaluationSets
from selfinstruct.filters.personal import region_of_numbers

Texts = tuple[tuple[str, str], ...]


def config(language: str = "en", **filters: Any) -> RunConfig:
    published = {"keywords": True, "prefixes": True}
    return RunConfig.parse({"seeds": "-", "run_dir": "-", "language": language, "filters": {**published, **filters}})


def judge(instruction: str, language: str = "en", truncated: bool = False, **filters: Any) -> str | None:
    """The reason of the first filter that refuses, or None."""
    candidate = Candidate(instruction, truncated=truncated)
    verdicts = (check.check(candidate) for check in build_checks(config(language, **filters)).instructions)
    return next((verdict.reason for verdict in verdicts if not verdict.ok), None)


# --- instructions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [
        ("Name three colours now.", None),
        ("Name three colours.", "too_short"),
        ("", "too_short"),
        ("word " * 150, None),
        ("word " * 151, "too_long"),
        ("Describe the image in words.", "keyword"),
        ("Describe the IMAGES in words.", "keyword"),
        ("Go to the shop tomorrow.", "keyword"),
        ("Let it go, too, tomorrow.", None),
        ("Plot the sales of May.", "keyword"),
        ("Explain the plots of Hamlet.", None),
        ("Explain a bitmap to me.", None),
        ("Explain map_reduce to a child.", None),
        ("Explain map-reduce to a child.", "keyword"),
        ("Write a program that counts.", "prefix"),
        ("write a Program that counts.", "prefix"),
        ("  Write a programme of events.", "prefix"),
        ("Please Write a program that counts.", None),
        ("Write one program that counts.", None),
        ("'Tis the season: explain it.", "punctuation_start"),
        ("- Explain it to me.", "punctuation_start"),
        ("$5 is how many euros?", "punctuation_start"),
        (" ~ explain it to me", "punctuation_start"),
        ("3 ways to explain it.", None),
        ("Écris un poème très court.", "not_ascii_start"),
        ("“Yes” means what exactly here?", "not_ascii_start"),
        ("Explain what écriture means here.", None),
    ],
)
def test_english_as_published(instruction: str, reason: str | None) -> None:
    assert judge(instruction) == reason


def test_every_published_word_is_refused() -> None:
    """The list of Alpaca, which holds that of Self-Instruct."""
    words = "image images graph graphs picture pictures file files map maps draw plot".split()
    words += ["go to", "video", "audio", "music", "flowchart", "diagram"]
    assert [word for word in words if judge(f"Tell me about {word} today.") != "keyword"] == []


def test_a_task_that_the_token_limit_cut() -> None:
    assert judge("Name three colours now.", truncated=True) == "truncated"


@pytest.mark.parametrize(
    ("language", "instruction", "reason"),
    [
        ("zh", "写一首诗", None),
        ("zh", "写首诗", "too_short"),
        ("zh", "写" * 150, None),
        ("zh", "写" * 151, "too_long"),
        ("zh", "描述这张图片的内容", "keyword"),
        ("zh", "画一个flowchart给我看", None),
        ("any", "画一个flowchart给我看", "keyword"),
        ("any", "描述这张图片的内容", "keyword"),
        ("any", "Décris ces flowcharts à un enfant", None),
        ("any", "Décris l'imagerie à un enfant", None),
        ("zh", "写一个程序来计算", "prefix"),
        ("any", "Write a program that counts.", "prefix"),
        ("any", "编写一个程序来计算", "prefix"),
        ("zh", "，写一首关于春天的诗", "punctuation_start"),
        ("zh", "（写一首关于春天的诗）", "punctuation_start"),
        ("zh", "【任务】写一首关于春天的诗", "punctuation_start"),
        ("zh", "《静夜思》表达了什么感情", None),
        ("zh", "“画蛇添足”是什么意思", None),
        ("any", "¿Qué significa este refrán tan viejo?", None),
        ("any", "Écris un poème très court.", None),
        ("any", "👍 explain this to me", "punctuation_start"),
        ("de", "Überprüfe den Vertrag auf Fehler.", None),
        ("de", "Beschreibe das Image der Firma.", None),
        ("de", "Prüfe ihn.", "too_short"),
        ("de", "Beschreibe, was auf dem Bild zu sehen ist.", "keyword"),
        ("de", "Erfinde eine Bildunterschrift für den Artikel.", None),
        ("de", "schreib ein Programm, das zählt.", "prefix"),
        ("fr", "Que montre la vidéo du musée ?", "keyword"),
        ("fr", "écris un programme qui compte.", "prefix"),
        ("fr", "À quoi sert un phare en mer ?", None),
        ("es", "¿Qué se ve en las imágenes?", "keyword"),
        ("es", "Escribe un poema sobre la lluvia.", None),
        ("ja", "この写真を説明してください", "keyword"),
        ("ja", "プログラムを書いてください", "prefix"),
        ("ja", "プロファイルの意味を説明してください", None),
        ("fr-CA", "Écris un poème très court.", None),
        ("ru", "Напиши короткое стихотворение о весне.", None),
        ("ja", "春について詩を書いてください", None),
        ("th", "เขียนกลอนเกี่ยวกับฤดูใบไม้ผลิ", None),
        ("ar", "اكتب قصيدة قصيرة عن الربيع", None),
        ("zh-Hans", "描述这张图片的内容", "keyword"),
        ("zh-Hant", "写一首诗", None),
        ("en-GB", "Describe the image in words.", "keyword"),
        ("en-GB", "Écris un poème très court.", "not_ascii_start"),
        ("en-GB", "Write a program that counts.", "prefix"),
    ],
)
def test_other_languages(language: str, instruction: str, reason: str | None) -> None:
    assert judge(instruction, language) == reason


@pytest.mark.parametrize(
    ("filters", "instruction", "reason"),
    [
        ({"min_words": 2}, "Count up.", None),
        ({"min_words": 2}, "Count.", "too_short"),
        ({"min_words": None}, "Count.", None),
        ({"max_words": 4}, "Count up to five.", None),
        ({"max_words": 4}, "Count up to five, please.", "too_long"),
        ({"max_words": None}, "word " * 1000, None),
        ({"min_words": None, "max_words": None}, "Count.", None),
        ({"keywords": False}, "Describe the image in words.", None),
        ({"keywords": []}, "Describe the image in words.", None),
        ({"keywords": ["C++", "诗"]}, "Describe the image in words.", None),
        ({"keywords": ["yazı"]}, "Write about YAZI in words.", "keyword"),
        ({"keywords": ["straße"]}, "Describe the strasse in words.", "keyword"),
        ({"keywords": ["C++", "诗"]}, "Sort a list in c++ quickly.", "keyword"),
        ({"keywords": ["C++", "诗"]}, "Explain the sign 诗 to me.", "keyword"),
        ({"prefixes": False}, "Write a program that counts.", None),
        ({"prefixes": ["As an AI"]}, "As an AI, explain yourself.", "prefix"),
        ({"prefixes": ["As an AI"]}, "Write a program that counts.", None),
        ({"punctuation_start": False}, "- Explain it to me.", None),
        ({"ascii_start": False}, "Écris un poème très court.", None),
    ],
)
def test_parameters(filters: dict[str, Any], instruction: str, reason: str | None) -> None:
    assert judge(instruction, **filters) == reason


def test_ascii_start_can_be_had_in_any_language() -> None:
    assert judge("Écris un poème très court.", "any", ascii_start=True) == "not_ascii_start"


def test_a_verdict_says_what_it_found() -> None:
    found = {}
    for text in (
        "Describe the IMAGE in words.",
        "Name three colours.",
        "- Explain it to me.",
        "write a program, please",
    ):
        for check in instruction_filters(config()):
            verdict = check.check(Candidate(text))
            if not verdict.ok:
                found[verdict.reason] = verdict.detail
    assert found == {
        "keyword": "image",
        "too_short": "3 words, at least 4",
        "punctuation_start": "-",
        "prefix": "Write a program",
    }


@given(st.text())
def test_no_text_breaks_a_filter(text: str) -> None:
    for language in ("en", "zh", "any", "de", "th"):
        judge(text, language)


# --- your own ----------------------------------------------------------------------------------

OWN = """
from selfinstruct import Verdict

class NoShouting:
    def __init__(self, config):
        self.least = config.filters.min_words

    def check(self, candidate):
        return Verdict("shouting" if candidate.instruction.isupper() else None)

def broken(config):
    raise ValueError("no luck")

nothing = dict
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_filters.py").write_text(OWN)
    (tmp_path / "half_written.py").write_text("raise ImportError('half\\nwritten')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("own_module")
def test_a_filter_of_your_own_is_tried_last() -> None:
    assert judge("EXPLAIN IT TO ME.", custom=["own_filters:NoShouting"]) == "shouting"
    assert judge("SHOW THE IMAGE AGAIN.", custom=["own_filters:NoShouting"]) == "keyword"
    assert judge("Explain it to me.", custom=["own_filters:NoShouting"]) is None


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoShouting", "'NoShouting' is unknown; write it as package.module:Name"),
        (":NoShouting", "':NoShouting' is unknown; write it as package.module:Name"),
        ("own_filters:", "'own_filters:' is unknown; write it as package.module:Name"),
        ("not_there:NoShouting", "'not_there:NoShouting' can't be imported: No module named 'not_there'"),
        ("half_written:f", "'half_written:f' can't be imported: half written"),
        ("own_filters:NoShoutin", "module 'own_filters' has no 'NoShoutin'; did you mean 'NoShouting'?"),
        ("own_filters:broken", "own_filters:broken can't be built: ValueError: no luck ("),
        ("own_filters:nothing", "gives no object with a method check(candidate)"),
        ("selfinstruct.core.tokens:tokenize", "selfinstruct.core.tokens:tokenize can't be built: "),
    ],
)
def test_a_wrong_name_is_one_line(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_checks(config(custom=[name]))
    assert str(caught.value).startswith(("filters.custom: ", "config: filters.custom.0: "))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- instances ---------------------------------------------------------------------------------

A, B = ("in", "one"), ("other", "two")


@pytest.mark.parametrize(
    ("given_", "truncated", "kept", "reasons"),
    [
        ([A, B], False, [A, B], []),
        ([B, A], False, [B, A], []),
        ([], False, [], ["no_instance"]),
        ([], True, [], ["no_instance"]),
        ([A, ("in2", " \n")], False, [A], ["empty_output 2"]),
        ([("x", " x"), A], False, [A], ["output_equals_input 1"]),
        ([A, ("x", "The answer is:")], False, [A], ["ends_in_colon 2: output"]),
        ([A, ("x", "答案是： ")], False, [A], ["ends_in_colon 2: output"]),
        ([("Text:", "x"), A], False, [A], ["ends_in_colon 1: input"]),
        ([A, B, A], False, [A, B], ["duplicate_instance 3"]),
        ([A, (" in", "one\n")], False, [A], ["duplicate_instance 2"]),
        ([A, B, ("in", "three")], False, [], ["conflicting_outputs 3: the same input has two outputs"]),
        (
            [A, ("y", ""), ("in ", "three")],
            False,
            [],
            ["empty_output 2", "conflicting_outputs 3: the same input has two outputs"],
        ),
        ([A, ("in", "")], False, [A], ["empty_output 2"]),
        ([("", "one"), ("", "two")], False, [("", "one"), ("", "two")], []),
        ([("", "one"), ("", "two"), ("", "one")], False, [("", "one"), ("", "two")], ["duplicate_instance 3"]),
        ([A, B], True, [A], ["truncated 2"]),
        ([A], True, [], ["truncated 1"]),
        ([A, ("in", "thr")], True, [A], ["truncated 2"]),
    ],
)
def test_instances(given_: list[Pair], truncated: bool, kept: list[Pair], reasons: list[str]) -> None:
    found, verdicts = keep(given_, truncated)
    assert found == kept
    assert [f"{verdict.reason} {verdict.detail}".strip() for verdict in verdicts] == reasons


words = st.sampled_from(["", " ", "a", " a", "b", "b:", "c：", "d"])
instances = st.lists(st.tuples(words, words), max_size=6)


@given(instances, st.booleans())
def test_what_is_kept_is_kept_again_and_in_order(given_: list[Pair], truncated: bool) -> None:
    kept, verdicts = keep(given_, truncated)
    rest = iter(given_)
    assert all(instance in rest for instance in kept)
    assert bool(kept) or bool(verdicts)
    if kept:
        assert len(kept) + len(verdicts) == len(given_)
        assert keep(kept, truncated=False) == (kept, [])


@given(instances)
def test_every_verdict_has_a_reason_and_names_its_instance(given_: list[Pair]) -> None:
    for verdict in keep(given_, truncated=False)[1]:
        assert not verdict.ok
        assert verdict == Verdict("no_instance") or 1 <= int(verdict.detail.partition(":")[0]) <= len(given_)


@pytest.mark.parametrize(
    ("language", "own", "listed"),
    [
        ("en", {}, True),
        ("zh-Hans", {}, True),
        ("any", {}, True),
        ("de-AT", {}, True),
        ("it", {}, False),
        ("it", {"keywords": ["immagine"]}, True),
    ],
)
def test_a_word_list_without_words_is_not_named(language: str, own: dict[str, Any], listed: bool) -> None:
    made = config(language, **own)
    named = describe_filters(made, EvaluationSets(), build_checks(made))["instruction filters"]
    assert ("keywords" in named) is listed


@pytest.mark.parametrize(
    ("language", "region"),
    [
        ("en", "US"),
        ("zh", "CN"),
        ("any", None),
        ("de", "DE"),
        ("de-AT", "AT"),
        ("en-GB", "GB"),
        ("es-419", "ES"),
        ("eu", None),
    ],
)
def test_the_region_of_phone_numbers_follows_the_tag(language: str, region: str | None) -> None:
    assert region_of_numbers(language) == region
