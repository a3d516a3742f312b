# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot a kernel in QEMU, run shell scripts in it, and judge the result.

The guest is an initramfs made here: busybox, the init next to this file, the kernel
modules that it needs, and the caller's files.  The scripts' output comes back live on
a virtio-serial port of its own, and the folder /out on a second one; only the kernel
uses the console.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Union

import kernel
import modules
import tap

HERE = Path(__file__).resolve().parent
RUNS_KEPT = 20
# Functions for the tests, in the guest's root folder.
FUNCTIONS = ("tap.sh", "tracing.sh", "renaming.sh", "counting.sh", "comparing.sh")
DISK_MB = 512
# Panic on any problem, and keep the kernel's log for the tests.
COMMAND_LINE = (
    "rdinit=/init loglevel=5 panic=-1 oops=panic panic_on_warn=1"
    " log_buf_len=16M printk.devkmsg=on"
)


class Outcome(IntEnum):
    """How a guest ended; the value is the exit status of a run."""

    PASSED = 0
    FAILED = 1
    CRASHED = 3
    HUNG = 4
    LOST = 5


@dataclass(frozen=True)
class Machine:
    """How QEMU emulates an architecture; `append` goes to the kernel's command line."""

    qemu: str
    options: tuple[str, ...]
    cpu: str
    append: str


RUNNING: set[subprocess.Popen] = set()
ENDING = threading.Event()

MACHINES = {
    # With several CPUs the kernel distrusts QEMU's time-stamp counter and uses the HPET, a
    # device: for each reading a virtual CPU waits for QEMU's global lock. On a busy machine
    # timer interrupts may come too late for the kernel's check of the timer.
    "amd64": Machine(
        "qemu-system-x86_64",
        ("-machine", "q35"),
        "max",
        "console=ttyS0 tsc=reliable no_timer_check",
    ),
    "arm64": Machine(
        "qemu-system-aarch64", ("-machine", "virt"), "neoverse-n1", "console=ttyAMA0"
    ),
}


@dataclass
class Guest:
    """The guest to boot.

    `cases`: scripts by name, run in order; they print TAP (see tap.sh) or, if not `tap`,
    anything, and their exit status counts.
    `files`: paths in the guest -> host files or bytes.  A file is executable if the host
    file is; bytes are not.
    `disk`: mount a scratch ext4 at /disk; if it is a folder, with a copy of its contents.
    `host_root`: mount the host's /, or this folder, at /host; writes stay in the guest.
    `quick`: repeat less often, see runs() in tap.sh.
    `possible_cpus`: may be more than `smp`, the number of CPUs present.
    `patience`: a factor for the timeouts of the tests and of the kernel's watchdogs.
    `accel`: replaces the choice of KVM or TCG.
    `append`, `qemu`: added to the kernel's command line, and to QEMU's.
    """

    tree: kernel.Tree
    cases: dict[str, str]
    files: dict[str, Union[Path, bytes]] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    disk: Union[bool, Path] = False
    host_root: Union[bool, Path] = False
    quick: bool = False
    smp: int = 2
    possible_cpus: int = 0
    patience: int = 1
    memory_mb: int = 1024
    tap: bool = True
    timeout_s: float = 300
    accel: tuple[str, ...] = ()
    append: str = ""
    qemu: tuple[str, ...] = ()


@dataclass
class Run:
    """The result of a guest."""

    outcome: Outcome
    reason: str
    lines: list[str]
    totals: tap.Totals
    folder: Path
    seconds: float

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def out(self) -> Path:
        """The contents of the guest's /out."""
        return self.folder / "out"

    def report(self) -> None:
        """Print the failures, the skips and their reasons, and one line on the outcome."""
        for skip in self.totals.skips:
            print(f"skipped: {skip}")
        for failure in self.totals.failures:
            print(f"FAILED: {failure}")
        name = {
            Outcome.PASSED: "guest passed",
            Outcome.FAILED: "guest tests failed",
            Outcome.CRASHED: "GUEST CRASHED",
            Outcome.HUNG: "GUEST HUNG",
            Outcome.LOST: "VM LOST",
        }[self.outcome]
        reason = f": {self.reason}" if self.reason else ""
        print(f"{name} after {self.seconds:.0f} s{reason} (console: {self.console})")


def use_kvm(cpuinfo: str, kvm_writable: bool) -> bool:
    """Whether KVM works: with /dev/kvm but without vmx or svm QEMU hangs in the firmware."""
    flags = set(cpuinfo.split())
    return kvm_writable and not flags.isdisjoint(("vmx", "svm"))


def accelerator(arch: str, serial: bool = False) -> tuple[str, ...]:
    """QEMU's options for the processor; `serial` runs one virtual CPU at a time."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    native = arch == kernel.host_arch()
    if native and use_kvm(cpuinfo, os.access("/dev/kvm", os.W_OK)):
        return ("-accel", "kvm", "-cpu", "host")
    thread = "single" if serial else "multi"
    return ("-accel", f"tcg,thread={thread}", "-cpu", MACHINES[arch].cpu)


def cpio_entry(number: int, name: str, mode: int, data: bytes) -> Iterator[bytes]:
    """One member of a "newc" archive."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % x for x in fields) + name.encode() + b"\0"
    yield head + b"\0" * (-len(head) % 4)
    yield data + b"\0" * (-len(data) % 4)


def cpio(files: dict[str, tuple[int, bytes]]) -> bytes:
    """An initramfs of regular files: path -> (permissions, content)."""
    entries: dict[str, tuple[int, bytes]] = {}
    for path, (mode, data) in files.items():
        for folder in reversed(list(Path(path).parents)[:-1]):
            entries.setdefault(str(folder), (0o040755, b""))
        entries[path] = (0o100000 | mode, data)
    chunks: list[bytes] = []
    for number, (path, (mode, data)) in enumerate(entries.items(), 1):
        chunks += cpio_entry(number, path, mode, data)
    return b"".join(chunks) + b"".join(cpio_entry(0, "TRAILER!!!", 0, b""))


def initramfs(guest: Guest) -> bytes:
    wanted = ["virtio_pci", "virtio_console", *guest.modules]
    if guest.disk:
        wanted += ["virtio_blk", "ext4"]
    if guest.host_root:
        wanted += ["9pnet_virtio", "9p", "overlay"]
    loaded = modules.resolve(guest.tree.modules, wanted)
    config = f"DISK={bool(guest.disk):d}\nHOST_ROOT={bool(guest.host_root):d}\n"
    config += f"export QUICK={guest.quick:d} PATIENCE={guest.patience}\n"
    files = {
        "init": (0o755, (HERE / "init").read_bytes()),
        **{name: (0o644, (HERE / name).read_bytes()) for name in FUNCTIONS},
        "bin/busybox": (0o755, guest.tree.busybox.read_bytes()),
        "config": (0o644, config.encode()),
        "modules/order": (0o644, "".join(f"{m}.ko\n" for m in loaded).encode()),
        "cases/order": (0o644, "".join(f"{c}\n" for c in guest.cases).encode()),
    }
    for name, script in guest.cases.items():
        files[f"cases/{name}"] = (0o644, script.encode())
    for name, data in loaded.items():
        files[f"modules/{name}.ko"] = (0o644, data)
    for name, source in guest.files.items():
        if isinstance(source, bytes):
            files[name] = (0o644, source)
        else:
            files[name] = (source.stat().st_mode & 0o777, source.read_bytes())
    return cpio(files)


def is_in_use(folder: Path) -> bool:
    """Whether a process, perhaps this one, is still writing logs to the folder."""
    at = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(at, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(at)
    return False


def run_folder(name: str) -> Path:
    """A new folder for the logs of a run; only the latest few are kept, and those in use."""
    runs = kernel.cache_dir() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    by_age = sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in by_age[: -RUNS_KEPT + 1]:
        with contextlib.suppress(FileNotFoundError):  # another process has removed it
            if not is_in_use(old):
                shutil.rmtree(old, ignore_errors=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-{stamp}-", dir=runs))
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)  # until this process ends
    return folder


def make_disk(content: Union[bool, Path], image: Path) -> None:
    """A sparse ext4 image; no root needed."""
    env = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    source = ["-d", str(content)] if isinstance(content, Path) else []
    with open(image, "wb") as sparse:
        sparse.truncate(DISK_MB << 20)
    subprocess.run(["mke2fs", "-qF", "-t", "ext4", *source, image], check=True, env=env)


def command(guest: Guest, folder: Path, verdict_fd: int) -> list[str]:
    """QEMU's command line.  QEMU dies with this process, however that ends."""

    def there(name: str) -> str:
        return str(folder / name).replace(",", ",,")

    machine = MACHINES[guest.tree.kernel.arch]
    append = f"{machine.append} {COMMAND_LINE} {guest.append}"
    append += f" watchdog_thresh={10 * guest.patience}" * (guest.patience > 1)
    line = ["setpriv", "--pdeathsig", "KILL", machine.qemu, *machine.options]
    line += guest.accel or accelerator(guest.tree.kernel.arch)
    line += ["-nodefaults", "-no-reboot", "-display", "none"]
    smp = f"{guest.smp},maxcpus={max(guest.smp, guest.possible_cpus)}"
    line += ["-smp", smp, "-m", str(guest.memory_mb)]
    line += ["-kernel", str(guest.tree.image), "-initrd", str(folder / "initramfs")]
    line += ["-append", append.strip(), "-serial", f"file:{there('console.log')}"]
    line += ["-device", "virtio-serial-pci"]
    line += ["-chardev", f"socket,id=verdict,fd={verdict_fd}"]
    line += ["-device", "virtserialport,chardev=verdict,name=verdict"]
    line += ["-chardev", f"file,id=back,path={there('out.tar')}"]
    line += ["-device", "virtserialport,chardev=back,name=back"]
    if guest.disk:
        line += ["-drive", f"file={there('disk')},format=raw,if=virtio,cache=unsafe"]
    if guest.host_root:
        root = (
            "/" if guest.host_root is True else str(guest.host_root).replace(",", ",,")
        )
        line += ["-virtfs", f"local,path={root},mount_tag=hostroot,security_model=none"]
        line[-1] += ",readonly=on,multidevs=remap"
    return line + list(guest.qemu)


def boot(guest: Guest, name: str, on_line: Callable[[str], None] = print) -> Run:
    """Boot a guest and wait for its end; `on_line` gets each line as it comes.

    After a crash that QEMU is known to cause, the guest is booted once more, and the run's
    reason says so.
    """
    run = boot_once(guest, name, on_line)
    accel = guest.accel or accelerator(guest.tree.kernel.arch)
    if run.outcome != Outcome.CRASHED or "tcg,thread=multi" not in accel:
        return run
    if not tap.ran_stale_code(run.console.read_text(errors="replace")):
        return run
    reason = f"QEMU ran stale code, so the guest was booted again ({run.console})"
    on_line(f"# {reason}")
    again = boot_once(guest, name, on_line)
    again.reason = f"{reason}; {again.reason}" if again.reason else reason
    again.seconds += run.seconds
    return again


def boot_once(guest: Guest, name: str, on_line: Callable[[str], None]) -> Run:
    """One boot, see boot()."""
    folder = run_folder(name)
    start = time.monotonic()
    try:
        (folder / "initramfs").write_bytes(initramfs(guest))
        if guest.disk:
            make_disk(guest.disk, folder / "disk")
        lines, hung = run_qemu(guest, folder, start + guest.timeout_s, on_line)
    finally:
        for big in ("initramfs", "disk"):
            (folder / big).unlink(missing_ok=True)
    unpack(folder)
    outcome, reason, totals = judge(guest, folder, lines, hung)
    return Run(outcome, reason, lines, totals, folder, time.monotonic() - start)


def run_qemu(
    guest: Guest, folder: Path, deadline: float, on_line: Callable[[str], None]
) -> tuple[list[str], bool]:
    """Run QEMU to its end; returns what listen() returns."""
    ours, theirs = socket.socketpair()
    with ours, open(folder / "qemu.log", "wb") as log:
        with theirs:
            line = command(guest, folder, theirs.fileno())
            (folder / "command").write_text(shlex.join(line) + "\n")
            qemu = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
        RUNNING.add(qemu)
        if ENDING.is_set():
            qemu.kill()
        try:
            return listen(ours, deadline, on_line)
        finally:
            RUNNING.discard(qemu)
            qemu.kill()
            qemu.wait()


def end_all() -> None:
    """End the guests that other threads wait for; these threads then clean up."""
    ENDING.set()
    for qemu in tuple(RUNNING):
        qemu.kill()


def listen(
    channel: socket.socket, deadline: float, on_line: Callable[[str], None]
) -> tuple[list[str], bool]:
    """The lines until QEMU closes the channel, and whether the deadline passed."""
    lines: list[str] = []
    rest = b""
    while True:
        channel.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = channel.recv(65536)
        except socket.timeout:
            return lines, True
        except ConnectionResetError:
            data = b""
        *whole, rest = (rest + data).split(b"\n")
        for raw in whole + [rest] * (not data and rest != b""):
            lines.append(raw.decode(errors="backslashreplace").rstrip("\r"))
            on_line(lines[-1])
        if not data:
            return lines, False


def unpack(folder: Path) -> None:
    """Unpack the guest's /out; a guest that died early has sent nothing or a part."""
    (folder / "out").mkdir()
    archive = folder / "out.tar"
    if archive.exists():
        subprocess.run(
            ["tar", "-x", "-f", archive, "-C", folder / "out", "--no-same-owner"],
            stderr=subprocess.DEVNULL,
            check=False,
        )
        archive.unlink()


def judge(
    guest: Guest, folder: Path, lines: list[str], hung: bool
) -> tuple[Outcome, str, tap.Totals]:
    """The outcome, its reason, and the totals, with at least one failure unless it passed."""

    def text(name: str) -> str:
        path = folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    totals = tap.judge(lines, guest.cases, guest.tap)
    bad = tap.scan_console(text("console.log") + "\n" + text("out/dmesg.txt"))
    begun = [x.split()[2] for x in lines if x.startswith("VM: begin ")]
    ended = [x.split()[2] for x in lines if x.startswith("VM: end ")]
    at = f" in {begun[-1]}" if len(begun) > len(ended) else ""
    if bad:
        outcome, reason = Outcome.CRASHED, f"{bad[0]}{at}"
    elif hung:
        outcome, reason = Outcome.HUNG, f"no end within {guest.timeout_s:.0f} s{at}"
    elif "VM: done" not in lines:
        words = text("qemu.log").strip().splitlines() or [
            "QEMU ended without a verdict"
        ]
        outcome, reason = Outcome.LOST, f"{words[-1]}{at}"
    elif totals.failures:
        return Outcome.FAILED, "", totals
    else:
        return Outcome.PASSED, "", totals
    if not totals.failures:
        totals.failures.append(reason)
    return outcome, reason, totals


def exit_on_signals() -> None:
    """On Ctrl-C and SIGTERM exit quietly, but clean up QEMU and scratch files."""

    def leave(number: int, _: object) -> None:
        end_all()
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
