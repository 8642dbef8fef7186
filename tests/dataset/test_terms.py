"""Licenses: each row of the table says where it was read; what follows from it is stated, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from selfinstruct.dataset.terms import (
    SourceTerms,
    Statement,
    TeacherTerms,
    Terms,
    consequences,
    load_table,
    seed_terms,
    terms_of,
)
from selfinstruct.seeds.load import load_seeds, seeds_digest
from selfinstruct.teachers import TEACHERS
from selfinstruct.teachers.local.catalog import load_catalog
from selfinstruct.teachers.openai.options import OpenAIOptions

TABLE = load_table()
ROWS = [*TABLE.providers, *TABLE.models, TABLE.fake]


def terms(**teacher: Any) -> TeacherTerms:
    options = TEACHERS[teacher.get("kind", "openai")].Options
    return terms_of(options.model_validate(teacher))


def said(seeds: SourceTerms | None = None, stated: str | None = None, **teacher: Any) -> list[Statement]:
    return consequences([seeds or SourceTerms("Apache-2.0")], [terms(**teacher)], stated)


def kinds(statements: list[Statement]) -> list[str]:
    return [statement.kind for statement in statements]


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_where_it_was_read_or_that_it_was_not(row: Terms) -> None:
    assert row.says.endswith(".")
    assert row.address.startswith("https://") or row is TABLE.fake
    assert (row.read is None) == (row.training == "unknown" and not row.noncommercial)
    assert row.stated is None or row.read is None or row.stated <= row.read


def test_every_row_can_be_found_and_none_is_there_twice() -> None:
    assert all(row.hosts for row in TABLE.providers)
    assert all(row.models for row in TABLE.models)
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
    hosts = [host for row in TABLE.providers for host in row.hosts]
    assert len(hosts) == len(set(hosts))


@pytest.mark.parametrize("name", load_catalog())
def test_the_embedded_models_have_terms_with_the_license_of_the_catalog(name: str) -> None:
    found = terms(kind="local", model=name)
    assert found.model is not None
    assert found.model.license == load_catalog()[name].license
    assert (found.host, found.provider) == (None, None)


@pytest.mark.parametrize("path", sorted((ROOT / "seeds").glob("*.jsonl")), ids=lambda path: path.name)
def test_the_shipped_seeds_are_known_by_their_content(path: Path) -> None:
    digest = seeds_digest(load_seeds(path))
    assert TABLE.seeds.get(digest) == f"seeds/{path.name}", f"put into terms.yaml, seeds: {digest}: seeds/{path.name}"
    assert seed_terms(None, digest) == SourceTerms("Apache-2.0", f"seeds/{path.name}")
    assert seed_terms("cc-by-4.0", digest).license == "cc-by-4.0"


def test_seeds_of_ones_own_have_the_license_that_is_stated_or_none() -> None:
    assert seed_terms(None, "0" * 32) == SourceTerms(None)
    assert seed_terms("cc-by-4.0", None) == SourceTerms("cc-by-4.0")


# --- which terms apply ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1"),
        ("llama3.1:8b", "Llama 3.1"),
        ("Meta-Llama-3-1-70B-Instruct", "Llama 3.1"),
        ("accounts/fireworks/models/llama-v3p1-405b-instruct", "Llama 3.1"),
        ("llama-3.2-1b", "Llama 3.2"),
        ("llama-3.3-70b-versatile", "Llama 3.3"),
        ("llama4:scout", "Llama 4"),
        ("meta-llama/Meta-Llama-3-8B", "Llama 3"),
        ("llama3", "Llama 3"),
        ("llama2:7b", "Llama 2"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "DeepSeek-R1-Distill-Llama"),
        ("deepseek-r1:14b", "DeepSeek-R1"),
        ("deepseek-ai/DeepSeek-V3", "DeepSeek-V3 (first release)"),
        ("deepseek-ai/DeepSeek-V3-0324", None),
        ("deepseek-ai/DeepSeek-V3.1", None),
        ("google/gemma-3-4b-it", "Gemma 1 to 3"),
        ("gemma4:e2b", "Gemma 4"),
        ("Qwen/Qwen2.5-3B-Instruct", "Qwen2.5 3B"),
        ("qwen2.5:72b", "Qwen2.5 72B"),
        ("qwen2.5:7b", "Qwen2.5 1.5B, 7B, 14B, 32B"),
        ("Qwen/Qwen3-8B", "Qwen3"),
        ("qwen3.5:2b", None),
        ("qwen3-max", None),
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("microsoft/phi-4", "Phi-4"),
        ("microsoft/Phi-4-mini-instruct", None),
        ("CohereForAI/c4ai-command-r-plus", "Command R and R+"),
        ("llama-405b", None),
        ("my-own-model", None),
    ],
)
def test_a_model_is_found_by_its_name(model: str, name: str | None) -> None:
    found = terms(model=model, base_url="http://127.0.0.1:8000/v1").model
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        (None, "OpenAI API"),
        ("https://api.openai.com/v1", "OpenAI API"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "Gemini API"),
        ("https://my-resource.openai.azure.com/openai/v1", "Azure OpenAI and Azure AI Foundry"),
        ("https://openrouter.ai/api/v1", "OpenRouter"),
        ("https://api.openai.com.example.org/v1", None),
        ("https://notopenrouter.ai/v1", None),
        ("http://127.0.0.1:8000/v1", None),
    ],
)
def test_a_provider_is_found_by_its_host(base_url: str | None, name: str | None) -> None:
    found = terms(model="m", base_url=base_url).provider
    assert (found.name if found else None) == name


def test_a_providers_own_terms_cover_its_models_and_a_resellers_do_not() -> None:
    assert terms(model="deepseek-reasoner", base_url="https://api.deepseek.com").model is None
    resold = terms(model="meta-llama/llama-3.3-70b", base_url="https://openrouter.ai/api/v1")
    assert [row.name for row in resold.known] == ["OpenRouter", "Llama 3.3"]


def test_where_it_was_really_asked_counts() -> None:
    assert terms_of(OpenAIOptions(), host="127.0.0.1").provider is None


# --- what follows ---------------------------------------------------------------------------------


def test_terms_against_competing_models_are_stated_with_date_and_address() -> None:
    (first, *_) = said(model="gpt-4o-mini")
    assert first.kind == "restriction"
    assert "gpt-4o-mini" in first.text
    assert "forbid using outputs to develop competing models" in first.text
    assert "read 2026-11-25, https://openai.com/policies/services-agreement/" in first.source


def test_a_permissive_license_over_restricted_outputs_is_a_conflict_that_is_stated() -> None:
    assert kinds(said(stated="apache-2.0", model="gpt-4o-mini"))[:2] == ["restriction", "conflict"]
    assert "conflict" not in kinds(said(stated="other", model="gpt-4o-mini"))
    assert "conflict" not in kinds(said(stated="apache-2.0", kind="local", model="smollm2-135m"))


@pytest.mark.parametrize("stated", ["apache-2.0", "mit", "cc-by-4.0", "cc0-1.0"])
def test_non_commercial_terms_conflict_with_a_license_for_every_use(stated: str) -> None:
    own = "http://127.0.0.1:8000/v1"
    found = said(stated=stated, model="Qwen/Qwen2.5-3B-Instruct", base_url=own)
    assert any("non-commercial use only" in s.text for s in found if s.kind == "restriction")
    assert "conflict" in kinds(found)
    assert "conflict" not in kinds(said(stated="cc-by-nc-4.0", model="Qwen/Qwen2.5-3B-Instruct", base_url=own))


def test_naming_duties_are_stated() -> None:
    (statement, *_) = said(model="llama3.1:8b", base_url="http://127.0.0.1:8000/v1")
    assert statement.kind == "condition"
    assert '"Llama" at the beginning of the name' in statement.text


def test_unknown_stays_unknown() -> None:
    found = said(SourceTerms(None), model="my-own-model", base_url="https://llm.example.org/v1")
    assert kinds(found) == ["unknown"] * 3
    assert found[0].text == "Seed tasks: the license is not stated (seeds_license)."
    assert "my-own-model" in found[1].text
    assert "llm.example.org" in found[2].text


def test_a_server_of_ones_own_is_not_asked_for_its_terms() -> None:
    for host in ("127.0.0.1", "localhost", "gpu-3", "10.0.0.7", "llm.internal"):
        found = said(model="my-own-model", base_url=f"http://{host}:8000/v1")
        assert not any(host in statement.text for statement in found)


def test_what_the_maker_states_of_a_teacher_stands_beside_the_table() -> None:
    found = said(model="my-own-model", base_url="http://gpu:8000/v1", license="mit")
    assert any("as stated by the dataset's creator: mit" in s.text for s in found)
    assert "unknown" not in kinds(found)
    assert "restriction" in kinds(said(model="my-own-model", base_url="http://gpu:8000/v1", license="cc-by-nc-4.0"))
    both = said(model="gpt-4o-mini", license="we have a contract")
    assert kinds(both)[0] == "restriction", "a note of one's own takes nothing away"


def test_seeds_restrict_too() -> None:
    nothing = {"kind": "local", "model": "smollm2-135m"}
    assert kinds(said(SourceTerms("cc-by-nc-4.0"), "apache-2.0", **nothing))[:2] == ["restriction", "conflict"]
    assert "conflict" in kinds(said(SourceTerms("cc-by-sa-4.0"), "cc-by-4.0", **nothing))
    assert "conflict" not in kinds(said(SourceTerms("cc-by-sa-4.0"), "cc-by-sa-4.0", **nothing))


def test_the_page_shows_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "guide" / "licenses.md").read_text(encoding="utf-8")
    for row in (*TABLE.providers, *TABLE.models):
        training = f"{row.training}{', non-commercial' if row.noncommercial else ''}"
        cells = (row.name, training, row.license or "", str(row.stated or ""), str(row.read or "no"))
        assert f"| {' | '.join(cells)} | [{row.document}]({row.address}) |" in page
    assert page.count("](https://") == len(TABLE.providers) + len(TABLE.models)
