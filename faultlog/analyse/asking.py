# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs another program on hostile files, within limits and not as root."""

from __future__ import annotations

import os
import pwd
import re
import resource
import select
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

from ..base import progress
from .files import libc

GIB = 1 << 30
NOBODY = 65534
WHOLE = (1 << 32) - 1  # users of the first user namespace
PR_SET_PDEATHSIG = 1
# Variables that a program gets; also those that begin with DEBUGINFOD_.
KEPT = {
    *("PATH", "LD_LIBRARY_PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}


def _memory() -> int:
    """Half of the machine's memory, but no more than 4 GiB."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(machine // 2, 4 * GIB)


def _seconds() -> float:
    return 120.0 if os.environ.get("DEBUGINFOD_URLS") else 60.0  # to fetch files


@dataclass
class Budget:
    """The limits that are left for all programs together."""

    seconds: float = field(default_factory=_seconds)  # on the clock
    cpu_seconds: float = 60.0
    output: int = 64 << 20  # bytes
    memory: int = field(default_factory=_memory)  # bytes, of one process at a time
    is_exceeded: bool = False  # by the last program, or before it


def ask(
    command: list[bytes], wanted: bytes, files: tuple[int, ...], budget: Budget
) -> bytes | None:
    """The output of a command; None: it failed.

    wanted: its input; files: descriptors that it gets. If a limit ends it, is_exceeded is set,
    and the output until then is returned.
    """
    began, used = time.monotonic(), _cpu_seconds()
    left = min(budget.seconds, budget.cpu_seconds, budget.output)
    budget.is_exceeded = left <= 0
    if budget.is_exceeded:
        return None
    questions = os.memfd_create("questions")
    try:
        with _surroundings() as how:
            os.write(questions, wanted)
            os.lseek(questions, 0, os.SEEK_SET)
            # No thread runs while a program is asked.
            process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                command,
                stdin=questions,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=files,
                cwd="/",  # a relative PATH must not find a program in the current folder
                preexec_fn=_limit(budget),
                **how,
            )
            return _answer(process, began + budget.seconds, budget)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    finally:
        os.close(questions)
        budget.seconds -= time.monotonic() - began
        budget.cpu_seconds -= _cpu_seconds() - used


def _cpu_seconds() -> float:
    """CPU time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _limit(budget: Budget) -> Callable[[], None]:
    """A function that sets the limits in the child, before it runs the command."""
    prctl = libc().prctl
    seconds = int(budget.cpu_seconds) + 1
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_AS: budget.memory,
        resource.RLIMIT_CORE: 0,
    }

    def limit() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for what, most in limits.items():
            _, hard = resource.getrlimit(what)
            if hard != resource.RLIM_INFINITY:
                most = min(most, hard)
            resource.setrlimit(what, (most, most))

    return limit


def _answer(
    process: subprocess.Popen[bytes], until: float, budget: Budget
) -> bytes | None:
    """Its output until it ends or reaches a limit; it has ended on return."""
    assert process.stdout
    fd = process.stdout.fileno()
    answer = bytearray()
    ready = select.poll()
    ready.register(fd, select.POLLIN)
    with process:
        try:
            while True:
                left = until - time.monotonic()
                if left <= 0 or not ready.poll(left * 1000):
                    budget.is_exceeded = True
                    break
                data = os.read(fd, 1 << 16)
                if not data:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(max(until - time.monotonic(), 0.1))
                    break
                answer += data
                progress.add(data.count(b"\n"))
                if len(answer) > budget.output:
                    budget.is_exceeded = True
                    break
        finally:
            process.kill()
    budget.output -= len(answer)
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        budget.is_exceeded = True
    elif process.returncode:
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        budget.is_exceeded |= used > budget.memory // 2
        return None
    return bytes(answer)


@contextmanager
def _surroundings() -> Iterator[dict[str, Any]]:
    """The user and environment of a program, as arguments of Popen."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith("DEBUGINFOD_")
    }
    env["LC_ALL"] = "C"
    owner = other_user()
    if not owner:
        yield {"env": env}
        return
    env = {name: env[name] for name in env.keys() - {"HOME", "XDG_CACHE_HOME"}}
    uid, gid = owner
    how = {"env": env, "user": uid, "group": gid, "extra_groups": []}
    if uid != NOBODY or not env.get("DEBUGINFOD_URLS"):
        with suppress(KeyError):
            env["HOME"] = pwd.getpwuid(uid).pw_dir
        yield how
        return
    with tempfile.TemporaryDirectory() as cache:  # the user nobody has no folder for a cache
        os.chown(cache, uid, gid)
        env["DEBUGINFOD_CACHE_PATH"] = cache
        yield how


def other_user() -> tuple[int, int] | None:
    """The user that runs a program instead of root: that of sudo, or nobody; None: no change.

    Root can open every file. In a user namespace, root is another user outside and cannot, and
    there may be no other user.
    """
    with suppress(OSError):
        if Path("/proc/self/uid_map").read_bytes().split() != [
            b"0",
            b"0",
            b"%d" % WHOLE,
        ]:
            return None
    if os.geteuid():
        return None
    ids = [os.environ.get(name, "") for name in ("SUDO_UID", "SUDO_GID")]
    if all(re.fullmatch(r"[1-9]\d{0,8}", number) for number in ids):
        return int(ids[0]), int(ids[1])
    return NOBODY, NOBODY
