"""Language tags, their names in prompts, and the wording that is shipped for any of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from selfinstruct.core.language_tags import OWN, canonical_tag, in_language, language_name, load_wording_file, region_of
from selfinstruct.core.shipped import shipped_yaml

KNOWN = shipped_yaml("selfinstruct.core", "language_tags.yaml")


@pytest.mark.parametrize(
    ("tag", "canonical", "name", "region"),
    [
        ("en", "en", "English", None),
        ("DE", "de", "German", None),
        ("fr-ca", "fr-CA", "Canadian French", "CA"),
        ("fr-be", "fr-BE", "French (fr-BE)", "BE"),
        ("ZH-hans", "zh-Hans", "Chinese (zh-Hans)", None),
        ("zh-hant-tw", "zh-Hant-TW", "Chinese (zh-Hant-TW)", "TW"),
        ("es-419", "es-419", "Spanish (es-419)", None),
        ("ca-valencia", "ca-valencia", "Catalan (ca-valencia)", None),
        ("haw", "haw", "the language with the tag haw", None),
        ("no", "no", "Norwegian", None),
        ("any", "any", "English", None),
    ],
)
def test_a_tag_its_name_and_its_country(tag: str, canonical: str, name: str, region: str | None) -> None:
    assert canonical_tag(tag) == canonical
    assert language_name(canonical) == name
    assert region_of(canonical) == region


@pytest.mark.parametrize(
    ("written", "meant"),
    [("german", "de"), ("German", "de"), ("deu", "de"), ("eng-GB", "en"), ("jp", "ja"), ("british english", "en-GB")],
)
def test_the_right_tag_is_suggested(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"must be a language tag; write {meant}") + "$"):
        canonical_tag(written)


@pytest.mark.parametrize("written", ["", "x", "xx", "deutsch", "de-", "pt_BR", "de DE", "de-DEDE1-x", "sk-a-b"])
def test_nonsense_is_no_tag(written: str) -> None:
    with pytest.raises(ValueError, match="such as de, fr-CA, or zh-Hans") as error:
        canonical_tag(written)
    assert not written or f"{written!r}" not in str(error.value)


def test_a_name_within_another_wording() -> None:
    """In its language, with the tag of a variety that has no name there; else in English."""
    named = [("en", "de"), ("fr-CA", "zh"), ("de-AT", "de"), ("ig", "ja"), ("haw", "fr")]
    assert [language_name(tag, within) for tag, within in named] == [
        "Englisch", "法文 (fr-CA)", "Deutsch (Österreich)", "Igbo", "the language with the tag haw"
    ]  # fmt: skip


def test_the_table_of_names_is_consistent() -> None:
    assert set(OWN) == set(KNOWN["names"]) == set(KNOWN["added"])
    assert all(canonical_tag(tag) == tag for names in KNOWN["names"].values() for tag in names)
    assert {canonical_tag(tag) for tag in KNOWN["instead"].values()} == set(KNOWN["instead"].values())
    assert len(set(KNOWN["names"]["en"].values())) == len(KNOWN["names"]["en"]) > 60


@pytest.mark.parametrize(
    ("package", "name", "digest"),
    [
        ("selfinstruct.filters.judge", "rubric.yaml", "ad7e8153e7a0"),
        ("selfinstruct.filters.judge", "compare.yaml", "81cbd6d08bc4"),
        ("selfinstruct.generate", "dialogue.yaml", "5c5129baec30"),
    ],
)
def test_the_wording_of_judge_and_user_is_that_of_earlier_runs(package: str, name: str, digest: str) -> None:
    """An existing run refuses to continue with another wording."""
    for language in ("en", "zh", "any"):
        wording = load_wording_file(package, name, language)
        assert wording.digest == digest
        assert wording.texts == shipped_yaml(package, name)["zh" if language == "zh" else "en"]


FILES = pytest.mark.parametrize(
    ("package", "name", "key"),
    [
        ("selfinstruct.filters.judge", "rubric.yaml", "system"),
        ("selfinstruct.filters.judge", "compare.yaml", "system"),
        ("selfinstruct.generate", "dialogue.yaml", "user_system"),
    ],
)


@FILES
def test_judge_and_user_learn_the_language(package: str, name: str, key: str) -> None:
    italian, english = (load_wording_file(package, name, language) for language in ("it", "en"))
    assert italian.texts[key].startswith(english.texts[key].rstrip("\n"))
    assert "in Italian" in italian.texts[key]
    assert {each: text for each, text in italian.texts.items() if each != key} == {
        each: text for each, text in english.texts.items() if each != key
    }
    assert italian.digest != english.digest
    assert "繁体中文" in load_wording_file(package, name, "zh-Hant").texts[key]


@FILES
def test_the_wordings_in_all_languages_have_the_same_keys_and_places(package: str, name: str, key: str) -> None:
    english = load_wording_file(package, name, "en").texts
    names = {"de": "Deutsch", "fr": "français", "es": "español", "ja": "日本語"}
    for language in OWN:
        wording = load_wording_file(package, name, language)
        assert places_of(wording.texts) == places_of(english)
        assert wording.texts[key].count("...") + wording.texts[key].count("……") == english[key].count("...")
        assert names.get(language, "") in wording.texts[key]
    variety = load_wording_file(package, name, "de-AT")
    assert "Deutsch (Österreich)" in variety.texts[key]
    assert len({load_wording_file(package, name, tag).digest for tag in [*OWN, "de-AT", "de-CH", "it"]}) == len(OWN) + 2


def places_of(texts: Any) -> Any:
    if isinstance(texts, dict):
        return {key: places_of(text) for key, text in texts.items()}
    return sorted(re.findall(r"\{[a-z]+\}|={5}|[\"`]\w+[\"`]|\[END\]|\n\n|\n$", texts))


def test_the_sentence_comes_before_the_closing_lines() -> None:
    texts = in_language({"heading": "Tasks.\n\n", "rules": "All in English:\n", "list": [1]}, "alpaca", "it")
    assert texts == {"heading": "Tasks.\nAll of them are in Italian.\n\n", "rules": "All in Italian:\n", "list": [1]}
