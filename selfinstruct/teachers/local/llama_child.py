"""The process that serves a GGUF file with llama.cpp; `LlamaServer` starts and stops this process.

Run as `python -m selfinstruct.teachers.local.llama_child MODEL ...`. The process loads xllamacpp, which serves from its
own threads, and ends when the parent ends. A separate process keeps native crashes, native logging, and native thread
settings away from the run.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ...core.errors import TeacherRefused

# Lines of the log that the parent looks for, such as 'selfinstruct: ready http://127.0.0.1:40123'.
READY = "selfinstruct: ready "
FAILED = "selfinstruct: error: "
_PROMPT_CACHE_MIB = 512  # llama.cpp's own default is 8 GiB of RAM


def main(arguments: list[str] | None = None) -> None:
    """Write all output to the log, load the model, serve, and end with the parent. Does not return."""
    options = _options(arguments)
    # llama.cpp writes to the file descriptors directly, so replacing sys.stdout would not be enough.
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Ctrl-C and a closed terminal reach the whole process group; the parent stops this process once open requests are
    # done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent(options.parent)
    try:
        server = _start(options)
    except TeacherRefused as error:
        print(f"{FAILED}{error}", flush=True)
        os._exit(1)
    print(f"{READY}{server.listening_address}", flush=True)
    threading.Event().wait()  # the server runs in its own threads as long as `server` is referenced


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m selfinstruct.teachers.local.llama_child")
    parser.add_argument("model", help="the GGUF file")
    parser.add_argument("--log", required=True, help="the file for all output")
    parser.add_argument("--alias", required=True, help="the model's name in responses")
    parser.add_argument("--port", type=int, default=0, help="TCP port; 0 lets the system choose")
    parser.add_argument("--parallel", type=int, default=4, help="requests processed at the same time")
    parser.add_argument("--ctx", type=int, default=4096, help="tokens for each request")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads; default: every core")
    parser.add_argument("--parent", type=int, default=None, help="end with this process; default: the parent")
    return parser.parse_args(arguments)


def _die_with_parent(parent: int | None) -> None:
    """End this process when the parent ends for any reason.

    On Linux the kernel does so immediately, even while a native call holds the interpreter. On other systems a thread
    polls the parent's ID. To the kernel, the parent is the *thread* that started this process.
    """
    parent = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    if os.getppid() != parent:  # the parent died before prctl took effect
        os._exit(0)
    threading.Thread(target=watch, daemon=True).start()


def _start(options: argparse.Namespace) -> Any:
    """Start the native server. Raises TeacherRefused with the reason and what to do."""
    # Set before libgomp is loaded: idle threads must not spin, because other processes use the cores, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import xllamacpp
    except ModuleNotFoundError:
        raise TeacherRefused("the local teacher needs xllamacpp: pip install 'selfinstruct[local]'") from None
    except ImportError as error:
        if "libgomp" in str(error):
            raise TeacherRefused("the local teacher needs libgomp: apt-get install libgomp1") from None
        raise TeacherRefused(f"xllamacpp can't be loaded: {error}; reinstall the package") from None
    try:
        return xllamacpp.Server(_params(xllamacpp.CommonParams(), options))
    except RuntimeError:
        raise TeacherRefused(_diagnose(options)) from None


def _params(params: Any, options: argparse.Namespace) -> Any:
    threads = options.threads or _cores()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames, params.port = ["127.0.0.1"], options.port
    # llama.cpp divides its context evenly among the requests that run at the same time.
    params.n_parallel, params.n_ctx = options.parallel, options.ctx * options.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = max(4, options.parallel + 2)
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.use_jinja = True
    params.ui = False
    params.verbosity = 1  # errors only
    return params


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _diagnose(options: argparse.Namespace) -> str:
    """Explain why the native server did not start; its exception does not say."""
    if not Path(options.model).is_file():
        return f"{options.model}: no such file; check teacher.model"
    if options.port:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", options.port)) == 0:
                return f"port {options.port} is in use; choose another port, or 0"
    # 'llama_model_load: error loading model: tensor data is incomplete'
    output = Path(options.log).read_text(encoding="utf-8", errors="replace")
    reasons = re.findall(r"error loading model: (.*)", output)
    return f"{options.model}: can't be loaded with {options.parallel} x {options.ctx} tokens of context: " + (
        reasons[-1] if reasons else f"possibly out of memory; see {options.log}"
    )


if __name__ == "__main__":
    main()
