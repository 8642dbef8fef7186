"""A Chinese run stays Chinese: instructions by their own words, outputs where it is asked for."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from worked import keep

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.tasks import Candidate
from selfinstruct.filters import build_checks

pytest.importorskip("lingua")


def checks(**filters: Any) -> Any:
    return build_checks(RunConfig.parse({"seeds": "-", "run_dir": "-", "language": "any", "filters": filters}))


def reason(instruction: str, *wanted: str) -> str | None:
    verdict = checks(languages=list(wanted)).instructions[-1].check(Candidate(instruction))
    return f"{verdict.reason}, {verdict.detail}" if verdict.reason else None


@pytest.mark.parametrize(
    "instruction",
    [
        "写一首关于春天的诗",
        "用Python写一个排序函数",
        "解释 HTTP、TCP/IP、DNS、SSL 和 API 这些术语",
        "将以下句子翻译成英文：The weather is nice and we are going to the park today with all our friends.",
        "把“I love you very much and always will”翻译成法语和德语",
        "请用日语说明「ありがとうございます」的意思",
        "写一封邮件给 John Smith，主题是 Meeting Reminder for Monday morning",
        "修改这段代码：\n```python\nfor number in range(10): print(number)\n```",
        "解方程 2x+3=7",
        "3 + 4",
    ],
)
def test_chinese_is_chinese_whatever_it_brings_along(instruction: str) -> None:
    assert reason(instruction, "zh") is None


@pytest.mark.parametrize(
    ("instruction", "found"),
    [
        ("Write a short poem about the coming of spring.", "en"),
        ("Translate the following sentence into Chinese: 今天天气很好，我们去公园散步吧。", "en"),
        ("Schreibe ein Gedicht über den Frühling.", "de"),
        ("次の文を英語に翻訳してください。", "ja"),
        ("Напиши стихотворение о весне.", "ru"),
    ],
)
def test_what_is_not_chinese_is_refused(instruction: str, found: str) -> None:
    assert reason(instruction, "zh") == f"language, instruction: {found}, not zh"
    assert reason(instruction, "zh", found) is None


@pytest.mark.parametrize(
    "instruction",
    [
        "List three fruits.",
        "Convert 5 km to miles",
        "Name a synonym for 'bon vivant'",
        "Rewrite: Je m'appelle Pierre et j'habite à Paris",
        "Explain the phrase «Je ne sais quoi» in plain words.",
        "Say hello",
    ],
)
def test_in_doubt_nothing_is_refused(instruction: str) -> None:
    assert reason(instruction, "en") is None


def test_another_language_in_an_english_run() -> None:
    assert reason("Écris un poème sur le printemps et les fleurs.", "en") == "language, instruction: fr, not en"
    assert reason("写一首关于春天的诗", "en", "fr") == "language, instruction: zh, not en or fr"


def test_outputs_are_checked_only_where_it_is_asked_for() -> None:
    english = ("", "Spring has come, and the flowers are in bloom everywhere.")
    short = ("", "Python 3")
    chinese = ("", "春天来了，到处都开满了鲜花。")
    pairs = [english, chinese, short]
    assert keep(pairs, instruction="写一首诗", checks=checks(languages=["zh"]))[0] == pairs
    kept, refused = keep(pairs, instruction="写一首诗", checks=checks(answer_languages=["zh"]))
    assert kept == [chinese, short]
    assert [(v.reason, v.detail) for v in refused] == [("language", "1: output: en, not zh")]
    assert keep([english, chinese], instruction="写一首诗", checks=checks(answer_languages=["zh", "en"]))[1] == []


def test_a_verdict_is_the_same_every_time() -> None:
    check = checks(languages=["zh"]).instructions[-1]
    candidate = Candidate("Write a short poem about the coming of spring.")
    assert len({check.check(candidate) for _ in range(20)}) == 1


def test_a_language_that_nobody_knows_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^filters\.languages: 'xx' is no language that can be told; one of af, "):
        checks(languages=["zh", "xx"])


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"filters\.answer_languages: needs lingua; pip install 'selfinstruct\[lang"):
        checks(answer_languages=["zh"])
