"""One job as streams on a real Ray cluster of several nodes on this machine, of which one is killed in the middle."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from typer.testing import CliRunner

from conftest import ROOT, Loopback
from selfinstruct import run_scattered
from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.journal.folder import JOURNAL
from selfinstruct.journal.journal import Journal
from selfinstruct.scatter.cluster import ray_connection
from selfinstruct.scatter.plan import folder_of
from selfinstruct.scatter.scatter_job import spent_so_far

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra 'cluster': `make ray`"),
]
STREAMS, CONCURRENCY = 3, 4
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
    with ray_connection(made.address, None):
        yield made
    made.shutdown()


@pytest.fixture
def job(tmp_path: Path, seed_file: Path, loopback: Callable[..., Loopback]) -> tuple[RunConfig, Loopback]:
    """A job, and the server that it asks."""
    server = loopback(latency_s=0.3)
    values = {
        "seeds": str(seed_file),
        "run_dir": str(tmp_path / "run"),
        "target": 150,
        "concurrency": CONCURRENCY,
        "lookahead": 16,
        "max_requests": 600,
        "teacher": {"model": "fake", "base_url": server.base_url},
    }
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(values))
    return RunConfig.load(tmp_path / "job.yaml"), server


def committed(config: RunConfig, table: str = "answers") -> int:
    """Rows in the journals of all streams that have one."""
    count = 0
    for stream in range(STREAMS):
        path = folder_of(config, stream) / JOURNAL
        if path.exists():
            with contextlib.closing(Journal(path, read_only=True)) as journal:
                count += int(journal.query(f"SELECT count(*) FROM {table}")[0][0])
    return count


def test_a_node_that_dies_loses_no_answer(cluster: Any, job: tuple[RunConfig, Loopback]) -> None:
    config, server = job
    kept: list[int] = []

    def progress(records: int, target: int) -> None:
        if not kept and records:
            kept.append(committed(config))
            node = next(node for node in cluster.worker_nodes)
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(**NODE)

    done = run_scattered(config, STREAMS, progress=progress)
    assert kept
    assert committed(config, "starts") > STREAMS, "streams of the dead node were begun anew"
    assert (done.exit_code, done.short) == (0, None)
    assert done.merged is not None
    assert done.merged.records == done.merged.admitted == config.target
    asked, answers = len(server.events("asked")), committed(config)
    assert 0 <= asked - answers <= STREAMS * CONCURRENCY, "what was in flight on the dead node, and nothing else"
    assert spent_so_far(config).requests <= done.requests <= 600
    rows = datasets.load_dataset(str(done.merged.out), split="train").to_list()
    assert len({row["run_id"] for row in rows}) == STREAMS
    again = run_scattered(config, STREAMS)
    assert again.merged is not None
    assert again.merged.digest == done.merged.digest
    assert len(server.events("asked")) == asked, "a second start has nothing to ask"


def test_the_cap_of_all_streams_ends_them_and_the_command_says_how_to_go_on(
    cluster: Any,
    job: tuple[RunConfig, Loopback],
    tmp_path: Path,
) -> None:
    server = job[1]
    arguments = ["scatter", str(tmp_path / "job.yaml"), "--shards", str(STREAMS), "--set", "max_requests=20"]
    done = CliRunner().invoke(app, [*arguments, "--set", "target=5000"])
    assert done.exit_code == 3, done.output
    assert "max_requests: " in done.stderr
    assert "to resume: selfinstruct scatter" in done.stderr
    assert 10 <= len(server.events("asked")) <= 20
    assert Path(done.stdout.strip().splitlines()[-1]).is_dir()


def test_scatter_through_the_clusters_door(
    cluster: Any,
    job: tuple[RunConfig, Loopback],
    tmp_path: Path,
) -> None:
    """The command in a process of its own, by the cluster's address."""
    command = [sys.executable, "-m", "selfinstruct", "scatter", str(tmp_path / "job.yaml"), "--shards", "2"]
    command += ["--set", "target=20", "--address", cluster.door]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    rows = datasets.load_dataset(done.stdout.strip(), split="train")
    assert len(rows) == 20
    assert "stream 1: " in done.stderr


def test_nobody_at_the_address(job: tuple[RunConfig, Loopback], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "selfinstruct", "scatter", str(tmp_path / "job.yaml"), "--shards", "2"]
    done = subprocess.run(
        [*command, "--address", "ray://127.0.0.1:1"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "--address ray://127.0.0.1:1: no connection" in done.stderr
    assert "Traceback" not in done.stderr
