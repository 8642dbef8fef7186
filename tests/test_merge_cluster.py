"""The merge engine on a real Ray cluster of several nodes on this machine, of which one is killed in the middle."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import socket
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_merge_pairs import CUTOFFS, adversarial, said

from conftest import ROOT
from selfinstruct import merge_datasets
from selfinstruct.errors import UsageError
from selfinstruct.merge.cluster import RayJoin, connected
from selfinstruct.novelty import Join, Joined

sys.path.insert(0, str(ROOT / "benchmarks"))
from scale import _offspring

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra 'ray': `make ray`"),
]
EXAMPLES = 300 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 12
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20}


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        port: int = opened.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node that runs no task, and two nodes that do; the process is connected to it."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    head = {**NODE, "num_cpus": 0, "include_dashboard": False, "ray_client_server_port": free_port()}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.door = f"ray://127.0.0.1:{head['ray_client_server_port']}"
    for _ in range(2):
        made.add_node(**NODE)
    made.wait_for_nodes()
    with connected(made.address, None):
        yield made
    made.shutdown()


def corpus(size: int, seed: int = 1) -> list[str]:
    """Texts in English and Chinese of which a third are changed ones of before; some equal, some without tokens."""
    draw = random.Random(seed)
    words = [f"w{int(4000 * draw.random() ** 3)}" for _ in range(4000)] + list("把下面的句子翻译成英文写一首关于春天诗")
    texts: list[str] = []
    for _ in range(size):
        share = draw.random()
        if texts and share < 0.33:
            parts = draw.choice(texts).split(" ")
            for _ in range(draw.randrange(3)):
                parts[draw.randrange(len(parts))] = draw.choice(words)
            texts.append(" ".join(parts))
        else:
            texts.append(" ".join(draw.choices(words, k=draw.randrange(4, 20))) if share < 0.99 else "!?")
    return texts


def local(texts: Sequence[str], cutoff: float, equal: bool = False) -> Joined:
    join = Join(cutoff, refuse_equal=equal, workers=2)
    join.add(texts)
    return join.run()


def on_ray(texts: Sequence[str], cutoff: float, **options: Any) -> Joined:
    join = RayJoin(cutoff, **options)
    join.add(texts)
    return join.run()


def test_the_same_as_on_one_machine(cluster: Any) -> None:
    texts = corpus(20_000)
    found, expected = on_ray(texts, 0.7, lot=1500), local(texts, 0.7)
    assert said(found) == said(expected)
    assert 0 < expected.admitted.sum() < len(texts)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), cutoff=CUTOFFS, equal=st.booleans(), shards=st.sampled_from([1, 3]))
def test_adversarial_texts(cluster: Any, seed: int, cutoff: float, equal: bool, shards: int) -> None:
    texts = adversarial(random.Random(seed))
    found = on_ray(texts, cutoff, refuse_equal=equal, shards=shards, lot=40)
    assert said(found) == said(local(texts, cutoff, equal))


def test_a_node_that_is_killed_in_the_middle_changes_nothing(cluster: Any) -> None:
    """What it held, lots and pieces, is made again by the others; what it was doing is begun anew."""
    texts = corpus(8_000, seed=2)
    victim = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    join = RayJoin(0.7, lot=500, shards=6)
    join.add(texts)
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if not killed:
            killed.append(done)
            cluster.remove_node(victim, allow_graceful=False)

    found = join.run(kill)
    assert 0 < killed[0] < len(texts)
    assert said(found) == said(local(texts, 0.7))


def test_workers_that_are_killed_in_the_middle_change_nothing(cluster: Any) -> None:
    """All workers that there are, busy or not, after each of the first three shards."""
    texts = corpus(5_000, seed=3)
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done * 8 <= 3 * total:
            for pid in _offspring(os.getpid()):
                if _is_worker(pid):
                    os.kill(pid, 9)
                    killed.append(pid)

    join = RayJoin(0.7, lot=300, shards=8)
    join.add(texts)
    found = join.run(kill)
    assert killed
    assert said(found) == said(local(texts, 0.7))


def _is_worker(pid: int) -> bool:
    """Whether a process of this test's cluster runs tasks; its agents and servers stay."""
    try:
        name = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return name.startswith((b"ray::IDLE", b"ray::_find_pairs_in", b"ray::cut"))


def test_merge_through_the_clusters_door(cluster: Any, tmp_path: Path) -> None:
    """The command in a process of its own, by the cluster's address."""
    texts = corpus(900, seed=4)
    for number in range(3):
        rows = [{"instruction": text} for text in texts[number::3]]
        (tmp_path / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    inputs = [str(tmp_path / f"{number}.jsonl") for number in range(3)]
    whole = merge_datasets(inputs, tmp_path / "local.jsonl", explain=tmp_path / "local-refused.jsonl")
    command = [sys.executable, "-m", "selfinstruct", "merge", *inputs, str(tmp_path / "ray.jsonl")]
    command += ["--engine", "ray", "--address", cluster.door, "--explain", str(tmp_path / "ray-refused.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert whole.digest in done.stdout
    for name in ("", "-refused"):
        assert (tmp_path / f"ray{name}.jsonl").read_bytes() == (tmp_path / f"local{name}.jsonl").read_bytes()


def test_nobody_at_the_address(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"instruction": "Sing."}\n')
    command = [sys.executable, "-m", "selfinstruct", "merge", str(tmp_path / "one.jsonl"), str(tmp_path / "o.jsonl")]
    command += ["--engine", "ray", "--address", "ray://127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--address ray://127.0.0.1:1: nobody answers" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_that_finds_a_mistake_of_the_users_says_so(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfinstruct.merge import cluster as room

    monkeypatch.setattr(room, "_find_pairs_in", _refuses)
    with pytest.raises(UsageError, match="use --engine local"):
        on_ray(["a", "b"], 0.7)


def test_a_node_with_another_version_is_told(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfinstruct.merge import cluster as room

    monkeypatch.setattr(room, "_SAME_EVERYWHERE", ("0.0.9", "1", "15.0.0"))
    with pytest.raises(UsageError, match=r"here is selfinstruct 0\.0\.9.*install the same on all"):
        on_ray(["a", "b"], 0.7)


def test_a_node_without_the_package_is_told(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfinstruct.merge import cluster as room

    here_only = types.ModuleType("here_only")
    exec("def search(cutoff, *pieces): ...", here_only.__dict__)
    monkeypatch.setitem(sys.modules, "here_only", here_only)
    monkeypatch.setattr(room, "_find_pairs_in", here_only.search)
    with pytest.raises(UsageError, match="a node of the cluster can't import selfinstruct; install"):
        on_ray(["a", "b"], 0.7)


def _refuses(cutoff: float, *pieces: Any) -> None:
    raise UsageError("too much; use --engine local")
