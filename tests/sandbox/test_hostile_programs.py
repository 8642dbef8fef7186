"""Hostile programs: none escapes, each ends within its limits, and the program that runs them continues."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import NEEDS_SANDBOX
from selfinstruct.core.errors import SandboxMissing
from selfinstruct.core.programs import Program, ProgramLimits, Ran
from selfinstruct.sandbox import check_sandbox, run_program

pytestmark = NEEDS_SANDBOX

LIMITS = ProgramLimits(cpu_s=1, wall_s=6, memory_bytes=128 * 1024**2, file_bytes=1024**2, output_bytes=64 * 1024)
REFUSED = r"""
fork                        import os; os.fork()
fork bomb                   import os; [os.fork() for _ in range(10**6)]
daemon                      import os; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0)
vfork                       assert libc.vfork() >= 0
raw clone                   assert libc.syscall(56, 17, 0, 0, 0, 0) >= 0
raw clone of a thread       assert libc.syscall(56, 0x10f00, 0, 0, 0, 0) >= 0
clone3                      assert libc.syscall(435, 0, 0) >= 0
thread                      import threading; threading.Thread(target=print).start()
thread bomb                 import _thread; [_thread.start_new_thread(print, ()) for _ in range(10**6)]
shell                       import subprocess; subprocess.run(["/bin/sh", "-c", "true"])
os.system                   import os; assert os.system("true") == 0
spawn                       import os; os.posix_spawn(sys.executable, [sys.executable], {})
pool                        import multiprocessing; multiprocessing.Pool(2).map(abs, [1])
new interpreter             import os; os.execv(sys.executable, [sys.executable, "-c", "print('ESCAPED')"])
exec of a file of its own   import os; open("a", "w").write("#!/a"); os.chmod("a", 0o700); os.execv("a", ["a"])
internet                    import socket; socket.create_connection(("1.1.1.1", 53), 1)
server on this machine      import socket; socket.create_connection(("127.0.0.1", PORT), 1)
UDP                         import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))
name lookup                 import socket; socket.getaddrinfo("example.com", 80)
web page                    import urllib.request; urllib.request.urlopen("http://127.0.0.1:PORT/")
listening                   import socket; socket.create_server(("127.0.0.1", 0))
Unix socket                 import socket; socket.socket(socket.AF_UNIX)
abstract Unix socket        import socket; socket.socket(socket.AF_UNIX).bind(b"\x00x")
virtual machine's socket    import socket; socket.socket(40, socket.SOCK_STREAM)
kernel's socket             import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
crypto socket               import socket; socket.socket(38, socket.SOCK_SEQPACKET)
/etc/passwd                 open("/etc/passwd")
/etc/shadow                 open("/etc/shadow")
path that climbs            open("../../../../etc/passwd")
home                        import os; os.listdir(os.path.expanduser("~"))
home of the user            open("HOME/.profile").read()
user's name                 import pwd; pwd.getpwuid(0)
journal                     open("JOURNAL")
folder of the journal       import os; os.listdir(os.path.dirname("JOURNAL"))
link to the journal         import os; os.symlink("JOURNAL", "x"); open("x")
link to /etc/passwd         import os; os.symlink("/etc/passwd", "x"); open("x")
hard link                   import os; os.link(os.__file__, "x")
this package                import os; os.listdir("PACKAGE")
secret in the environment   import os; os.environ["SECRET"]
environment of the parent   open("/proc/PARENT/environ")
memory of its own           open("/proc/self/mem")
mounts                      open("/proc/mounts")
/sys                        import os; os.listdir("/sys")
/run                        import os; os.listdir("/run")
disk                        open("/dev/sda", "rb")
kernel's memory             open("/dev/mem", "rb")
terminal                    open("/dev/tty")
shared memory               from multiprocessing import shared_memory as s; s.SharedMemory(create=True, size=10)
writing to the library      open(json.__file__, "a")
writing to the root         open("/x", "w")
writing to /usr             open("/usr/lib/x", "w")
deleting the library        import os; os.remove(json.__file__)
writing to stdin            import os; os.write(0, b"x" * 100)
growing stdin               import os; os.truncate(0, 10**9)
file in memory              import os; os.memfd_create("x")
System V memory             assert libc.shmget(0, 8 << 30, 0o1600) >= 0
message queue               assert libc.msgget(0, 0o1600) >= 0
8 GB at once                bytearray(8 << 30)
8 GB bit by bit             kept = []\nwhile True: kept.append(bytearray(1 << 20))
8 GB mapped                 import mmap; mmap.mmap(-1, 8 << 30)
8 GB number                 1 << (8 << 33)
10 GB file                  f = open("x", "wb")\nfor _ in range(10**4): f.write(bytes(1 << 20))
10 GB in many files         for n in range(10**4): open(str(n), "wb").write(bytes(1 << 20))
many empty files            for n in range(10**6): open(str(n), "w")
many folders                import os\nfor n in range(10**6): os.mkdir(str(n))
many pipes                  import os; kept = [os.pipe() for _ in range(10**6)]
mapping of a sparse file    import mmap; f = open("x", "w+b"); f.truncate(8 << 30); mmap.mmap(f.fileno(), 0)
higher limits               import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
more CPU time               import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))
priority                    import os; os.nice(-10)
real-time scheduling        import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
root                        import os; os.setuid(0)
group                       import os; os.setgroups([0])
chroot                      import os; os.chroot("/tmp")
mount                       assert libc.mount(b"x", b"/tmp", b"tmpfs", 0, 0) == 0
unmount                     assert libc.umount2(b"/tmp", 2) == 0
new namespace               assert libc.unshare(0x10000000) == 0
host name                   import socket; socket.sethostname("x")
device                      import os, stat; os.mknod("x", stat.S_IFBLK | 0o600, os.makedev(8, 0))
ptrace                      assert libc.ptrace(16, 1, 0, 0) == 0
memory of another process   assert libc.process_vm_readv(1, 0, 0, 0, 0, 0) >= 0
keys                        assert libc.syscall(250, 0, -3, 1) >= 0
io_uring                    assert libc.syscall(425, 8, 0) >= 0
calls of x32                assert libc.syscall(0x40000000 + 57) >= 0
killing the user's process  import os; os.kill(PARENT, 9)
open files of the parent    import os; print([os.fstat(n) for n in range(3, 64)])
recursion                   f = lambda: f(); f()
end of stdin                input(); input()
"""
"""Name and program; each raises an error."""
ENDED = r"""
endless loop                time    while True: pass
slow pattern                time    import re; re.match("(a+)+$", "a" * 40 + "b")
sleep                       time    import time; time.sleep(1000)
sleep in the end            time    import atexit, time; atexit.register(time.sleep, 1000)
waiting for a pipe          time    import os; os.read(os.pipe()[0], 1)
sleep without output        time    import os, time; os.close(1); os.close(2); os.close(0); time.sleep(1000)
10 GB to stdout             output  while True: print("x" * 1000)
10 GB to stderr             output  while True: print("x" * 1000, file=sys.stderr)
10 GB line                  output  while True: sys.stdout.write("x" * 1000)
ignoring signals            time    import signal as s; [s.signal(n, s.SIG_IGN) for n in (1, 15, 24)]\nwhile True: pass
fork as on 32 bits          signal  machine_code(b"\xb8\x02\x00\x00\x00\xcd\x80\xc3")
crash                       signal  import ctypes; ctypes.string_at(0)
abort                       signal  import os; os.abort()
killing itself              exit    import os; os.kill(os.getpid(), 9)
stopping itself             exit    import os, signal; os.kill(os.getpid(), signal.SIGSTOP)
killing its group           exit    import os; os.killpg(0, 9)
killing its first process   exit    import os; os.kill(1, 9); os.kill(os.getppid(), 9)
killing everything          exit    libc.kill(-1, 9)
deleting its folder         exit    import shutil; shutil.rmtree("/tmp", ignore_errors=True)
sparse file                 exit    open("x", "wb").truncate(8 << 30)
closing everything          exit    import os; os.closerange(0, 64)
syntax error                exit    ((
session of its own          exit    import os; os.setpgid(0, 0)
stdin is never read         exit    pass
invalid UTF-8               exit    import os; os.write(1, b"\xff\xfe\x00")
long line                   exit    print("x" * 60_000)
"""
"""Name, how it ends, and program."""


def programs(lines: str, words: int) -> dict[str, list[str]]:
    """Return the columns of each line by its name, which ends at two spaces; the last column is a program."""
    rows = (line.partition("  ") for line in lines.strip().splitlines())
    return {name: rest.replace("\\n", "\n").split(maxsplit=words) for name, _, rest in rows}


def refused(code: str) -> str:
    """Wrap a program: it reports an error in one line, and its success as an escape."""
    body = textwrap.indent(code, "    ")
    after = "except BaseException as error:\n    print('refused:', repr(error)[:100])\nelse:\n    print('ESCAPED')"
    return f"try:\n{body}\n{after}"


def test_hostile_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal.sqlite").write_text("secret")
    monkeypatch.setenv("SECRET", "secret")
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(8) as pool:
        words = {"PORT": str(server.getsockname()[1]), "PARENT": str(os.getpid()), "HOME": str(Path.home())}
        words |= {
            "JOURNAL": str(tmp_path / "journal.sqlite"),
            "PACKAGE": str(Path(__file__).parents[2] / "selfinstruct"),
        }
        head = "import ctypes, json, mmap, sys; libc = ctypes.CDLL(None)\n"
        head += "def machine_code(code):\n  memory = mmap.mmap(-1, 4096, prot=7); memory.write(code)\n"
        head += "  ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()\n"
        sources = {name: ("exit", refused(code)) for name, (code,) in programs(REFUSED, 0).items()}
        sources |= {name: (ended, code) for name, (ended, code) in programs(ENDED, 1).items()}
        for word, value in words.items():
            sources = {name: (ended, code.replace(word, value)) for name, (ended, code) in sources.items()}
        assert len(sources) >= 60
        started = {
            name: pool.submit(run_program, Program(head + code, "x" * 100_000, limits=LIMITS))
            for name, (_, code) in sources.items()
        }
        ran = {name: future.result() for name, future in started.items()}
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    wrong = {name: each for name, each in ran.items() if not is_right(each, *sources[name])}
    assert wrong == {}


def is_right(ran: Ran, ended: str, code: str) -> bool:
    is_refused = "refused:" in ran.stdout and "ESCAPED" not in ran.stdout + ran.stderr
    return ran.ended == ended and ran.seconds < 30 and (is_refused or "ESCAPED" not in code)


def test_what_a_program_reads_and_writes() -> None:
    source = "import os, sys; print(sys.stdin.read(), open('a.txt').read(), os.listdir()); print(7, file=sys.stderr)"
    ran = run_program(Program(source + "; sys.exit(5)", "wörter\n", {"a.txt": "\r\nrows"}))
    assert (ran.stdout, ran.stderr) == ("wörter\n \r\nrows ['a.txt']\n".replace("\r\n", "\n"), "7\n")
    assert (ran.code, ran.ended, ran.problem) == (5, "exit", "7")
    assert run_program(Program("print('a\\0b'); os")).problem == "NameError: name 'os' is not defined"
    assert run_program(Program("print(1)")).problem is None


def test_a_program_gives_the_same_result_each_time() -> None:
    source = "import os, sys; print(set('abcdefgh'), hash('a'), os.getcwd(), os.environ, sys.argv, os.getuid())"
    assert run_program(Program(source)).stdout == run_program(Program(source)).stdout


def test_two_cores_run_twenty_programs_a_second() -> None:
    """CPU time, because other work may run on the machine: at most 100 ms for each program."""
    run_program(Program(""))
    before = sum(os.times()[:4])
    for _ in range(10):
        run_program(Program("import json; print(json.dumps([1, 2]))"))
    assert (sum(os.times()[:4]) - before) / 10 < 0.1


def test_nothing_is_left_open() -> None:
    limits, others = ProgramLimits(wall_s=0.2, output_bytes=1000), descendants(os.getpid())
    for source in ("pass", "while True: print(1)", "import time; time.sleep(9)"):
        run_program(Program(source, limits=limits))
        open_files = os.listdir("/proc/self/fd")
        run_program(Program(source, limits=limits))
        assert len(os.listdir("/proc/self/fd")) <= len(open_files)
    assert descendants(os.getpid()) <= others


def test_programs_end_with_the_process_that_runs_them() -> None:
    """At whatever moment it is killed: while the sandbox starts, and while the program runs."""
    code = "from selfinstruct.core.programs import *; from selfinstruct.sandbox import *; print(flush=True); "
    code += "run_program(Program('import time; time.sleep(60)', limits=ProgramLimits(wall_s=60)))"
    started: set[int] = set()
    for delay_s in (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.5):
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        parent.stdout.read(1)
        time.sleep(delay_s)
        parent.send_signal(signal.SIGSTOP)
        started |= descendants(parent.pid)
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    assert len(started) >= 2
    wait_until(lambda: not any(is_running(each) for each in started))


def test_ctrl_c_does_not_look_like_the_end_of_a_program() -> None:
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code += "from selfinstruct.core.programs import *; from selfinstruct.sandbox import *\n"
    code += "print(run_program(Program('import time; time.sleep(1.5)')).ended)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    wait_until(lambda: len(descendants(parent.pid)) == 2)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.communicate()[0] == "exit\n"


def test_the_sandbox_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check_sandbox()
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(
        SandboxMissing, match=r"\(bwrap: No permissions to create a new namespace\); install bubblewrap"
    ):
        check_sandbox()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxMissing, match=r"bubblewrap isn't installed\); install bubblewrap \(Debian: apt-get"):
        check_sandbox()
    assert SandboxMissing.exit_code == 2


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid: int) -> set[int]:
    """The processes below a process, zombies included."""
    try:
        children = {
            int(each)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for each in (task / "children").read_text().split()
        }
    except FileNotFoundError:
        return set()
    return children.union(*map(descendants, children))
