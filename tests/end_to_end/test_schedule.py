"""The schedules in configs/schedule/, each as far as it can be tried where no cluster and no init system is.

`make schedule` runs those marked `schedule`, too: cron for real, and Airflow in an environment of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import kubernetes_validate
import pytest
import typer
import yaml

import selfinstruct as si
from conftest import ROOT, Loopback
from selfinstruct.cli.app import app
from selfinstruct.core.errors import EXIT_CODES

FOLDER = ROOT / "configs" / "schedule"
CRONJOB, VOLUME = yaml.safe_load_all((FOLDER / "cronjob.yaml").read_text())
WORKFLOW = yaml.safe_load((FOLDER / "github-actions.yml").read_text())
AIRFLOW = os.environ.get("AIRFLOW_PYTHON")
"""A Python that has Airflow; `make schedule` names it."""


@pytest.fixture
def asked_for(request: pytest.FixtureRequest) -> None:
    """Skips what takes minutes or another environment, unless it is asked for by its mark."""
    if "schedule" not in request.config.option.markexpr:
        pytest.skip("`make schedule` runs it")


def section(unit: str, name: str) -> list[tuple[str, str]]:
    """Keys and values of a section of a systemd unit; a key may stand there several times."""
    text = (FOLDER / unit).read_text().split(f"[{name}]", 1)[1].split("\n[", 1)[0]
    return [(key, value) for key, _, value in (line.partition("=") for line in text.splitlines()) if key[:1].isupper()]


def test_every_schedule_calls_generate_with_options_that_it_has() -> None:
    command = typer.main.get_command(app).commands["generate"]
    known = {option for parameter in command.params for option in parameter.opts}
    no_schedule = (".timer", "", ".dockerignore"), "compile_kernels.py"
    files = [path for path in FOLDER.iterdir() if path.suffix not in no_schedule[0] and path.name != no_schedule[1]]
    for path in [*files, FOLDER / "crontab"]:
        text = path.read_text()
        used = set(re.findall(r"(?<=[\s'-])--[a-z]+(?:-[a-z]+)*(?=[\s=\"'])", text)) - {"--home-dir", "--system"}
        used = {option for option in used if option not in ("--now", "--from-literal")}
        assert {"--max-runtime", "--metrics-file", "--log-format"} <= used, path
        assert used <= known, path


# --- cron ---------------------------------------------------------------------------------------


def cron_line() -> tuple[list[str], str, str]:
    """The five fields, the user, the command."""
    (line,) = [line for line in (FOLDER / "crontab").read_text().splitlines() if re.match(r"[\d*]", line)]
    *fields, user, command = line.split(None, 6)
    return fields, user, command


def test_the_crontab_is_well_formed() -> None:
    fields, user, command = cron_line()
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in fields)
    assert user == "selfinstruct"
    assert subprocess.run(["sh", "-n", "-c", command]).returncode == 0
    assert "%" not in command, "cron makes a line's end of it"


# --- systemd ------------------------------------------------------------------------------------

NO_SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@NO_SYSTEMD
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for name in ("selfinstruct.service", "selfinstruct.timer"):
        shutil.copy(FOLDER / name, tmp_path)
    units = [tmp_path / "selfinstruct.service", tmp_path / "selfinstruct.timer"]

    def complaints() -> list[str]:
        command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return [line for line in done.stderr.splitlines() if "selfinstruct." in line]

    assert complaints() == []
    units[0].write_text(units[0].read_text().replace("NoNewPrivileges=yes", "NoNewPrivilege=yes"))
    assert complaints(), "it would have said so"


@NO_SYSTEMD
def test_systemd_finds_little_to_harden() -> None:
    """Its own rating of the service, 0 for nothing exposed to 10. What is left: it needs the network."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(FOLDER / "selfinstruct.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    rating = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert rating, done.stderr
    assert float(rating[1]) <= 1.5


def test_the_service_is_hardened_and_reads_exit_codes_as_they_are_meant() -> None:
    said = dict(section("selfinstruct.service", "Service"))
    assert said["User"] == "selfinstruct"
    assert said["ProtectSystem"] == "strict"
    assert {said["NoNewPrivileges"], said["ProtectHome"], said["PrivateTmp"], said["RestrictNamespaces"]} == {"yes"}
    assert said["CapabilityBoundingSet"] == ""
    fine = [EXIT_CODES[int(code)] for code in said["SuccessExitStatus"].split()]
    assert [text.split()[0] for text in fine] == ["ended", "the"]
    assert fine[1] == "the run is locked by another process"
    assert ("Persistent", "true") in section("selfinstruct.timer", "Timer")


def test_the_key_goes_from_the_credential_into_the_environment_and_no_argument(tmp_path: Path) -> None:
    """The service's own command, with another program in the place of ours and a folder of credentials."""
    program, credentials = tmp_path / "selfinstruct", tmp_path / "credentials"
    program.write_text('#!/bin/sh\necho "key=$OPENAI_API_KEY"\necho "arguments=$*"\n')
    program.chmod(0o755)
    credentials.mkdir()
    (credentials / "openai-api-key").write_text("sk-of-the-service\n")
    said = dict(section("selfinstruct.service", "Service"))
    assert said["LoadCredential"].partition(":")[0] == "openai-api-key"
    shell, script = re.fullmatch(r"(/bin/sh) -c '(.*)'", said["ExecStart"]).groups()
    script = script.replace("$$", "$").replace("/opt/selfinstruct/.venv/bin/selfinstruct", str(program))
    env = {"PATH": "/usr/bin:/bin", "CREDENTIALS_DIRECTORY": str(credentials)}
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, env=env)
    key, arguments = done.stdout.splitlines()
    assert key == "key=sk-of-the-service"
    assert arguments.startswith("arguments=generate /etc/selfinstruct/openai.yaml")
    assert "sk-" not in arguments


# --- Kubernetes ---------------------------------------------------------------------------------


def test_kubernetes_schema_takes_the_manifest() -> None:
    for document in (CRONJOB, VOLUME):
        kubernetes_validate.validate(document, "1.31", strict=True)
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    wrong = json.loads(json.dumps(CRONJOB))
    wrong["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["value"] = [1]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_one_job_at_a_time_and_every_exit_code_has_its_rule() -> None:
    assert CRONJOB["spec"]["concurrencyPolicy"] == "Forbid"
    job = CRONJOB["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    first, *rules = job["podFailurePolicy"]["rules"]
    assert (first["action"], first["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    by_code = {code: rule["action"] for rule in rules for code in rule["onExitCodes"]["values"]}
    assert by_code == {1: "FailJob", 2: "FailJob", 3: "FailJob", 5: "FailJob", 4: "Count"}
    assert by_code.keys() == EXIT_CODES.keys() - {0, 99}, "99 is given by --skip-code only, which isn't asked for"
    assert "--skip-code" not in container["args"]
    assert {rule["onExitCodes"]["containerName"] for rule in rules} == {container["name"]}
    assert pod["restartPolicy"] == "Never", "a policy for failures needs that"
    assert job["backoffLimit"] > 0
    assert not {137, 143} & by_code.keys(), "killed: fired again"


def test_the_pod_has_no_more_rights_than_it_needs() -> None:
    pod = CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    (key,) = [each for each in container["env"] if each["name"] == "OPENAI_API_KEY"]
    assert "value" not in key
    assert key["valueFrom"]["secretKeyRef"]["name"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"data": "/data", "tmp": "/tmp"}
    claim = next(each for each in pod["volumes"] if each["name"] == "data")["persistentVolumeClaim"]["claimName"]
    assert claim == VOLUME["metadata"]["name"]


def test_the_dockerfile_copies_what_is_there_and_starts_what_the_pod_starts() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().split()
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored
    extras = re.search(r"'\.\[([a-z,]+)\]'", text)[1].split(",")
    declared = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{extra} = [" in declared for extra in extras)
    assert json.loads(re.search(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)[1]) == ["/opt/selfinstruct/bin/selfinstruct"]
    uid = CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert f"\nUSER {uid}\n" in text


# --- GitHub Actions -----------------------------------------------------------------------------


def test_the_workflow_follows_the_published_schema(tmp_path: Path) -> None:
    def check(path: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    done = check(FOLDER / "github-actions.yml")
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((FOLDER / "github-actions.yml").read_text().replace("timeout-minutes", "timeout-minute"))
    assert check(wrong).returncode == 1


def test_the_workflow_asks_for_little() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is False
    steps = WORKFLOW["jobs"]["generate"]["steps"]
    assert [step["name"] for step in steps if "OPENAI_API_KEY" in str(step)] == ["generate"]


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1), (2, 2), (3, 0), (4, 4), (5, 5)])
def test_the_workflow_reads_exit_codes_as_they_are_meant(code: int, ends: int, tmp_path: Path) -> None:
    """The step's own script, as the runner calls it, with another program in the place of ours."""
    program = tmp_path / "selfinstruct"
    program.write_text(f"#!/bin/sh\nexit {code}\n")
    program.chmod(0o755)
    (script,) = [step["run"] for step in WORKFLOW["jobs"]["generate"]["steps"] if step.get("name") == "generate"]
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    done = subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == ends
    assert ("::notice::" in done.stdout) is (code == 3)


# --- Airflow ------------------------------------------------------------------------------------

RUN_DAG = """
import sys
sys.path.insert(0, {folder!r})
import airflow_dag
from airflow.exceptions import AirflowSkipException
from airflow.providers.standard.operators.bash import BashOperator
task = airflow_dag.dag.get_task("generate")
assert (airflow_dag.dag.catchup, airflow_dag.dag.max_active_runs, task.retries) == (False, 1, 2)
command = dict(bash_command=task.bash_command, cwd={home!r}, append_env=True, skip_on_exit_code=task.skip_on_exit_code)
print("first:", BashOperator(task_id="first", **command).execute({{}}))
try:
    BashOperator(task_id="second", **command).execute({{}})
except AirflowSkipException:
    print("second: skipped")
"""


def test_the_dag_skips_what_is_nothing_to_do() -> None:
    text = (FOLDER / "airflow_dag.py").read_text()
    compile(text, "airflow_dag.py", "exec")
    code = re.search(r"skip_on_exit_code=(\d+)", text)
    assert code
    assert EXIT_CODES[int(code[1])].startswith("nothing to do")
    assert "--skip-code" in text


@pytest.mark.schedule
@pytest.mark.usefixtures("asked_for")
@pytest.mark.skipif(AIRFLOW is None, reason="AIRFLOW_PYTHON names no Python with Airflow; `make schedule` does")
def test_airflow_runs_the_task_and_skips_the_second(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    assert AIRFLOW is not None
    home = tmp_path / "home"
    (home / ".venv" / "bin").mkdir(parents=True)
    (home / "configs").mkdir()
    command = f'#!/bin/sh\nexec {sys.executable} -m selfinstruct "$@"\n'
    (home / ".venv" / "bin" / "selfinstruct").write_text(command)
    (home / ".venv" / "bin" / "selfinstruct").chmod(0o755)
    values = make_config().model_dump(mode="json", exclude_unset=True)
    (home / "configs" / "openai.yaml").write_text(yaml.safe_dump(values))
    script = RUN_DAG.format(folder=str(FOLDER), home=str(home))
    env = os.environ | {"AIRFLOW_HOME": str(tmp_path / "airflow")}
    done = subprocess.run([AIRFLOW, "-c", script], capture_output=True, text=True, env=env, timeout=300)
    assert f"first: {tmp_path / 'run' / 'dataset'}" in done.stdout, done.stderr[-3000:]
    assert "second: skipped" in done.stdout


# --- cron for real ------------------------------------------------------------------------------

CRON = """
set -e
mount --make-rprivate /
mkdir -p {tmp}/empty {tmp}/var-run {tmp}/spool
mount --bind {tmp}/cron.d /etc/cron.d
mount --bind /dev/null /etc/crontab
mount --bind {tmp}/spool /var/spool/cron
mount --bind {tmp}/var-run /var/run
exec cron -f
"""
"""cron in a mount namespace of its own: it sees our crontab and no other, and nobody else sees ours."""


@pytest.mark.schedule
@pytest.mark.usefixtures("asked_for")
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("cron") is None, reason="needs root and Debian's cron")
def test_cron_fires_the_job_for_three_minutes(
    seed_file: Path, loopback: Callable[..., Loopback], tmp_path: Path
) -> None:
    """Fired every minute, twice at once: one works, the other finds the lock; the third minute has nothing to do."""
    server = loopback(latency_s=0.4)
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": "OPENAI_API_KEY"}
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 130, "concurrency": 2}
    values |= {"strategy": "self_instruct", "teacher": teacher}
    config, key, log = tmp_path / "config.yaml", tmp_path / "env", tmp_path / "nightly.log"
    config.write_text(yaml.safe_dump(values))
    key.write_text("OPENAI_API_KEY=sk-from-a-file-0123456789\n")
    command = cron_line()[2]
    for written, meant in {
        "/srv/selfinstruct": str(tmp_path),
        "/etc/selfinstruct/env": str(key),
        ".venv/bin/selfinstruct": f"{sys.executable} -m selfinstruct",
        "configs/openai.yaml": str(config),
        "--max-runtime 2h": "--max-runtime 40s --skip-code",
    }.items():
        assert written in command
        command = command.replace(written, meant)
    (tmp_path / "cron.d").mkdir()
    head = [line for line in (FOLDER / "crontab").read_text().splitlines() if re.match(r"[A-Z]+=", line)]
    lines = [*head, f"PYTHONPATH={ROOT}", *[f"* * * * *  root  {command}"] * 2]
    (tmp_path / "cron.d" / "selfinstruct").write_text("\n".join(lines) + "\n")
    (tmp_path / "cron.d" / "selfinstruct").chmod(0o644)
    unshared = ["unshare", "--mount", "--", "bash", "-c", CRON.format(tmp=tmp_path)]
    cron = subprocess.Popen(unshared, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 270
        while len(outcomes(log)) < 6 and time.monotonic() < deadline and cron.poll() is None:
            time.sleep(1)
    finally:
        os.killpg(cron.pid, signal.SIGTERM)
        out, _ = cron.communicate(timeout=30)
    ends = [(each["outcome"], each["exit_code"]) for each in outcomes(log)]
    print(ends)
    assert len(ends) >= 6, (ends, out)
    assert ends[0] == ("run_locked", 4)
    assert ("max_runtime", 3) in ends, "a minute was too short for all of it"
    assert ("target", 0) in ends
    assert ("target", 99) in ends, "then there was nothing to do"
    assert datasets.load_dataset(str(tmp_path / "run" / "dataset"), split="train").num_rows == 130
    assert "sk-from-a-file" not in log.read_text()


def outcomes(log: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")] if log.exists() else []
    return [event for event in events if event["event"] == "outcome"]
