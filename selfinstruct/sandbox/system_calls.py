"""The system calls that a program in the sandbox is refused, as a seccomp filter.

Everything that Python needs to compute stays allowed. What is refused would let a program escape the limits of one
process (new processes and threads, memory that doesn't count as its own) or reach more of the kernel than it needs.
"""

from __future__ import annotations

import re
import struct

# One group a line, each call with its numbers on x86-64 and on 64-bit ARM; '-' where it doesn't exist.
_REFUSED = """
processes, threads, programs: fork 57 -  vfork 58 -  clone 56 220  clone3 435 435  execve 59 221  execveat 322 281
sockets, as some families are in no network namespace: socket 41 198
memory that doesn't count as the program's: memfd_create 319 279  memfd_secret 447 447  shmget 29 194
messages kept by the kernel: msgget 68 186  semget 64 190  mq_open 240 180
namespaces: unshare 272 97  setns 308 268  chroot 161 51  pivot_root 155 41
mounts: mount 165 40  umount2 166 39  open_tree 428 428  move_mount 429 429  fsopen 430 430  mount_setattr 442 442
other programs' memory: ptrace 101 117  process_vm_readv 310 270  process_vm_writev 311 271
keys: add_key 248 217  request_key 249 218  keyctl 250 219
what attackers like: bpf 321 280  perf_event_open 298 241  userfaultfd 323 282  io_uring_setup 425 425
"""
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Instructions of the filter: load a word of the call, jump if it equals or is at least a value, return.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_KILL, _NOT_PERMITTED, _ALLOW = 0x80000000, 0x00050001, 0x7FFF0000
_X32 = 0x40000000
"""Calls from here on are those of x32, the same calls under other numbers."""


def refusing_filter(machine: str) -> bytes | None:
    """Return the filter for a machine, as `platform.machine()` names it; None if its system calls aren't known."""
    if machine not in _ARCHITECTURES:
        return None
    column = list(_ARCHITECTURES).index(machine)
    calls = re.findall(r"(\w+) (\d+|-) (\d+|-)", _REFUSED)
    numbers = [int(call[1 + column]) for call in calls if call[1 + column] != "-"]
    # The second word tells the architecture: a program may switch to 32 bits, where the numbers differ.
    program = [(_LOAD, 0, 0, 4), (_IF_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    # Jumps count the instructions to skip; the last instruction refuses, and the one before it allows.
    tests = [(_IF_AT_LEAST, _X32), *((_IF_EQUAL, number) for number in numbers)]
    program += [(code, len(tests) - at, 0, value) for at, (code, value) in enumerate(tests)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _NOT_PERMITTED)]
    return b"".join(struct.pack("HBBI", *each) for each in program)
