"""What the image's build compiles is all that its containers need, though they can't write to its folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

IMAGE = (ROOT / "configs" / "schedule" / "Dockerfile").read_text(encoding="utf-8")
CPU = dict(re.findall(r"(NUMBA_CPU_\w+)=(\S*)", IMAGE))
RUN = """
from selfinstruct.novelty import NoveltyIndex
index = NoveltyIndex(0.9)
for number in range(4200):
    if index.check(f"write {number} {number % 7} poems").ok:
        index.admit(str(number), f"write {number} {number % 7} poems")
"""


def compiled(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.nbc")}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap for a folder that root can't write to")
def test_a_container_compiles_nothing(tmp_path: Path) -> None:
    image, cache = tmp_path / "image", tmp_path / "cache"
    env = os.environ | CPU | {"NUMBA_CACHE_DIR": str(image), "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(ROOT)}
    assert CPU.keys() == {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"}
    script = ROOT / "configs" / "schedule" / "compile_kernels.py"
    subprocess.run([sys.executable, script], env=env, cwd=tmp_path, check=True, timeout=300)
    ahead = compiled(image)
    rows = [f"Write {number} lines about {['tea', '茶'][number % 2]} {number // 2}." for number in range(6000)]
    rows.append("why " * 400)
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"instruction": row}) + "\n" for row in rows))
    read_only = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(image), str(image)]
    for command in (["-m", "selfinstruct", "dedup", "in.jsonl", "out.jsonl", "--explain", "why.jsonl"], ["-c", RUN]):
        subprocess.run([*read_only, sys.executable, *command], env=env, cwd=tmp_path, check=True, timeout=300)
        assert compiled(cache) == ahead, "the compiled code was copied, and nothing was added"
    assert len(ahead) > 40
    assert not list(cache.rglob("*.nbi.*")), "nothing half-written is left"
