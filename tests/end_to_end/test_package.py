"""The wheel and the sdist of `make package` hold what they should, and the wheel works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT

WHEELS, SDISTS = sorted((ROOT / "dist").glob("*.whl")), sorted((ROOT / "dist").glob("*.tar.gz"))
pytestmark = [
    pytest.mark.package,
    pytest.mark.skipif(not (WHEELS and SDISTS), reason="dist/ has no wheel and sdist: `make package`"),
]


def tracked(*folders: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def test_the_wheel_has_the_package_and_what_init_copies() -> None:
    [wheel] = WHEELS
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    shipped = {f"selfinstruct/_shipped/{name}" for name in tracked("seeds", "configs")}
    assert names == tracked("selfinstruct") | shipped


def test_the_sdist_has_all_that_its_tests_read() -> None:
    [sdist] = SDISTS
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - {"PKG-INFO"} == {name for name in tracked() if not name.startswith(".ci/")}


def test_the_wheel_makes_a_dataset_outside_a_checkout(tmp_path: Path) -> None:
    # A new environment with the wheel, in front of the packages that it depends on.
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True, timeout=100)
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *WHEELS]
    subprocess.run(install, check=True, timeout=100)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    [folder] = (tmp_path / "env").rglob("site-packages")
    (folder / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def command(*arguments: str) -> str:
        line = [tmp_path / "env" / "bin" / "selfinstruct", *arguments]
        return subprocess.run(
            line, cwd=tmp_path, env=env, check=True, timeout=100, capture_output=True, text=True
        ).stdout

    where = [python, "-c", "import selfinstruct; print(selfinstruct.__file__)"]
    imported = subprocess.run(where, cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout
    assert Path(imported.strip()).is_relative_to(folder)
    for teacher in ("openai", "local", "zh"):
        command("init", teacher, "--teacher", teacher)
        command("check", f"{teacher}/selfinstruct.yaml")
    made = command("generate", "local/selfinstruct.yaml", "--set", "teacher.kind=fake")
    assert made == "local/data/local/dataset\n"
