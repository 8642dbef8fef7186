"""Each hop of docs/inside/walkthrough.md names a file and a name that exist."""

from __future__ import annotations

import importlib
import re
from functools import reduce

from conftest import ROOT

PAGE = (ROOT / "docs" / "inside" / "walkthrough.md").read_text(encoding="utf-8")
HOPS = re.findall(r"^\| (\d) \| .+ \| `(selfinstruct/[\w/]+)\.py` \| `([\w.]+)` \|$", PAGE, re.MULTILINE)


def test_there_are_eight_hops_in_the_order_of_the_packages() -> None:
    assert [int(number) for number, _, _ in HOPS] == list(range(1, 9))
    packages = [module.split("/")[1] for _, module, _ in HOPS]
    assert packages == ["seeds", "generate", "strategies", "ask", "teachers", "journal", "generate", "dataset"]


def test_each_hop_names_something_callable_of_its_file() -> None:
    for _, module, name in HOPS:
        imported = importlib.import_module(module.replace("/", "."))
        assert callable(reduce(getattr, name.split("."), imported)), (module, name)
