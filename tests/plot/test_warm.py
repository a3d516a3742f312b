# SPDX-License-Identifier: GPL-2.0-or-later
"""The script of -o warm.sh: what it reads, and that names of files are harmless in it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from faultlog.report.warm import Range, costliest, ranges
from logs import HEAD_AT_0, OLD, fault, read, run, summary
from printing import CC1, CC1_TEXT

KIB = 1024


def major(time_ns: int, path: object, offset: int, latency_ns: int = 100) -> bytes:
    keys = {"tid": 1, "result": "major", "latency_ns": latency_ns}
    return fault(time_ns, 0x7000, **keys, map=path, offset=hex(offset))


def minor(time_ns: int, path: object, offset: int) -> bytes:
    return major(time_ns, path, offset).replace(b"=major", b"=minor")


def found(text: bytes) -> list[tuple]:
    log = read(HEAD_AT_0 + text)
    return [
        (
            r.path.decode(),
            r.low // KIB,
            r.high // KIB,
            r.nr_major,
            r.cost_ns,
            r.first_ns,
        )
        for r in sorted(ranges(log), key=lambda r: (r.path, r.low))
    ]


@pytest.fixture
def disk():
    """A folder on a disk; /tmp may be in memory."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def test_the_range_that_is_read_around_a_major_fault():
    assert found(major(5, "/a", 1024 * KIB)) == [("/a", 960, 1088, 1, 100, 5)]
    assert found(major(5, "/a", 4 * KIB)) == [("/a", 0, 68, 1, 100, 5)]


def test_neighbours_are_one_range_and_ranges_without_major_faults_are_left_out():
    text = major(5, "/a", 1024 * KIB) + major(9, "/a", 1100 * KIB, 50)
    text += minor(3, "/a", 1170 * KIB) + minor(1, "/a", 4096 * KIB) + minor(1, "/b", 0)
    text += major(7, "/b", 1024 * KIB)
    assert found(text) == [
        ("/a", 960, 1216, 2, 150, 3),
        ("/b", 960, 1088, 1, 100, 7),
    ]


def test_mappings_that_are_not_files_are_left_out():
    text = b"".join(
        major(1, name, 0)
        for name in (
            "anon",
            "[heap]",
            "?",
            "...x/y",
            "/proc/kmsg",
            "/dev/zero",
            "/a\\040(deleted)",
            "/a\\000b",
        )
    )
    assert found(text + major(1, "/big", 1 << 60)) == []


@pytest.mark.parametrize(
    "name",
    [
        "//sys/kernel/x",
        "///proc/kmsg",
        "/./dev/watchdog",
        "/x/../dev/watchdog",
        "/../proc/kmsg",
        "/x//.././/dev/../sys/x",
        "/dev/",
        "/x/..",
        "/a/./b",
    ],
)
def test_another_spelling_of_what_is_no_file_on_a_disk(name):
    """These were in the script, as they do not begin with /dev/, /proc/ or /sys/."""
    assert found(major(1, name, 0)) == []
    assert found(major(1, "/...a/..b/.c", 0)) != []


@pytest.mark.parametrize(
    "name, keys",
    [
        ("/dev/shm/x", {"region": "file", "kind": "shared"}),
        ("/memfd:x", {"region": "file", "kind": "shared"}),
        ("/memfd:x\\040(deleted)", {"region": "file", "kind": "shared"}),
        ("/SYSV00000000\\040(deleted)", {"region": "file"}),
        ("/dev/zero", {"region": "anon"}),
        ("/a", {"region": "anon"}),
        ("/a", {"region": "heap"}),
        ("/a", {"region": "stack"}),
        ("/a", {"region": "special"}),
        ("/mnt/huge/x", {"region": "file", "kind": "shared,hugetlb"}),
        ("/mnt/huge/x", {"region": "file", "kind": "hugetlb"}),
        ("/a", {"region": "data", "kind": "swap"}),
        ("/proc/self/maps", {"region": "file"}),
    ],
    ids=str,
)
def test_a_fault_that_did_not_wait_for_a_disk_is_left_out(name, keys):
    """A userfaultfd handler causes major faults in memory, and these were in the script."""
    words = {"tid": 1, **keys, "result": "major", "latency_ns": 9, "map": name}
    assert found(fault(1, 0x7000, **words, offset="0x0")) == []
    words |= {"region": "file", "kind": "cow", "map": "/a"}
    assert len(found(fault(1, 0x7000, **words, offset="0x0"))) == 1


def test_a_file_in_memory_is_left_out(tmp_path, disk):
    """By its file system on this machine, whatever its path."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as shared:
        (disk / "link").symlink_to(shared.name)
        (disk / "file").touch()
        text = HEAD_AT_0 + major(1, disk / "link", 0) + major(2, disk / "file", 0)
        (tmp_path / "x.log").write_bytes(text + summary(2))
        script = tmp_path / "warm.sh"
        assert run(tmp_path / "x.log", "-o", script).returncode == 0
    assert re.findall("^warm .* (/.*?)  #", script.read_text(), re.M) == [
        str(disk / "file")
    ]


def test_the_script_does_not_say_what_a_fault_waited_for(tmp_path, disk):
    """The log only shows that the fault was major."""
    (disk / "file").touch()
    (tmp_path / "x.log").write_bytes(HEAD_AT_0 + major(1, disk / "file", 0))
    run(tmp_path / "x.log", "-o", tmp_path / "warm.sh")
    text = (tmp_path / "warm.sh").read_text()
    assert "# 64 KiB of 1 file, where 1 of 1 major fault (100 ns) occurred." in text
    assert "waited" not in text and "disk" not in text


def test_the_costliest_in_order_of_first_use():
    given = [
        Range(b"/%d" % i, 0, 1, 1, cost, 9 - i) for i, cost in enumerate([3, 9, 5])
    ]
    assert [r.path for r in costliest(given, 2)] == [b"/2", b"/1"]


def test_a_real_log(tmp_path):
    script = tmp_path / "warm.sh"
    done = run(CC1, "-o", script)
    assert (done.returncode, done.stdout) == (1, "")  # its files are the guest's
    lines = re.findall(
        r"^warm (\d+)-(\d+) (\S+)  # (\d+) major", script.read_text(), re.M
    )
    assert sum(int(n) for *_, n in lines) == read(CC1_TEXT).count("major")
    text = CC1_TEXT.decode()
    for offset, path in set(
        re.findall(r"result=major .* map=(/\S+) offset=(\S+)", text)
    ):
        at = int(path, 16)
        assert any(p == offset and int(a) <= at < int(b) for a, b, p, _ in lines)
    run(CC1, "-o", script, "--top", "2")
    assert script.read_text().count("\nwarm ") == 2


HOSTILE = [
    b"$(touch owned)",
    b"`touch owned`",
    b"'; touch owned; '",
    b'"; touch owned; "',
    b"a\ntouch owned\n",
    b"# \\",
    b"\xff\xfe\x80",
    b"\x1b]0;title\a\x1b[2J\xc2\x9b31m",
    "\u202egnp\u2028".encode(),
    b"\\033[2J\\c%s\n",
    b"ends\n\n",
    b"-q",
    b"~ * ? [a] {a,b} !! & | > owned",
    "中文 ＄".encode(),
]


def escaped(path: bytes) -> str:
    odd = b"\\ \n\t"
    return "".join(
        chr(c) if 32 < c < 127 and c not in odd else f"\\{c:03o}" for c in path
    )


def test_missing_files_are_reported_with_a_hint_at_root(tmp_path, disk):
    """There was no message, the exit status was 0, and the script read nothing."""
    (disk / "a").touch()
    log, script = tmp_path / "x.log", tmp_path / "warm.sh"
    for names, status, message in (
        (["a"], 0, ""),
        (
            ["a", "b"],
            0,
            f"1 of its 2 files is not on this machine (/far{disk}/b); use --root",
        ),
        (
            ["b"],
            1,
            f"1 of its 1 file is not on this machine (/far{disk}/b); use --root",
        ),
        (
            ["b", "c"],
            1,
            f"2 of its 2 files are not on this machine (/far{disk}/b and 1 more); use --root",
        ),
    ):
        text = b"".join(major(i, f"/far{disk}/{n}", 0) for i, n in enumerate(names))
        log.write_bytes(HEAD_AT_0 + text + summary(len(names)))
        script.unlink(missing_ok=True)
        done = run(log, "-o", script)
        assert (
            done.returncode == 1 and "use --root if they are elsewhere" in done.stderr
        )
        assert script.exists()  # it may be useful on the machine that has them
        done = run(log, "-o", script, "--root", "/far=/")
        assert done.returncode == status
        assert message.replace("/far", "") in done.stderr
        assert done.stderr.count("\n") == bool(message)
        assert done.stdout == ("" if status else f"{script}\n")


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_hostile_names_are_names_and_nothing_else(tmp_path, disk, shell):
    """vmtouch is replaced by a script that records its arguments."""
    tool = tmp_path / "bin" / "vmtouch"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\nfor i; do printf "%s\\0" "$i"; done >>"$CALLS"\n')
    tool.chmod(0o755)
    folder = disk
    paths = [os.fsencode(folder) + b"/" + name for name in HOSTILE]
    text = HEAD_AT_0
    for i, path in enumerate(paths):
        with open(path, "wb"):
            text += major(i, escaped(path), 0)
    (tmp_path / "x.log").write_bytes(text + summary(len(paths)))
    script = tmp_path / "warm.sh"
    assert run(tmp_path / "x.log", "-o", script).returncode == 0
    # The script has no hidden characters: each line is shown as it is run.
    lines = script.read_text("utf-8").splitlines()
    assert all(line.replace("\t", "").isprintable() for line in lines)
    calls = [line for line in lines if re.match("(named .* && )?warm [0-9]", line)]
    assert len(calls) == len(paths)
    recorded = tmp_path / "recorded"
    env = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "CALLS": str(recorded)}
    done = subprocess.run([shell, script], cwd=folder, env=env, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    calls = recorded.read_bytes().split(b"-q\0-t\0")[1:]
    assert [call.split(b"\0")[-2] for call in calls if call] == paths
    assert not (folder / "owned").exists()


def test_the_real_vmtouch_runs_it(tmp_path, disk):
    path = disk / "a file"
    path.write_bytes(bytes(1 << 20))
    text = major(1, escaped(os.fsencode(path)), 0)
    text += major(2, escaped(os.fsencode(path)), 1 << 30) + major(3, "/no/such", 0)
    (tmp_path / "x.log").write_bytes(HEAD_AT_0 + text + summary(3))
    script = tmp_path / "warm.sh"
    assert run(tmp_path / "x.log", "-o", script).returncode == 0
    subprocess.run(["vmtouch", "-qe", path], check=True)
    subprocess.run(["sh", script], capture_output=True)
    output = subprocess.run(["vmtouch", path], capture_output=True, text=True).stdout
    assert int(re.search(r"Resident Pages: (\d+)/", output)[1]) >= 16


def test_missing_files_are_reported(tmp_path, disk):
    tool = tmp_path / "vmtouch"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    here = escaped(os.fsencode(disk / "file"))
    (disk / "file").touch()
    script = tmp_path / "warm.sh"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for status, paths in ((0, [here, "/no/such"]), (1, ["/no/such", "/nor/such"])):
        text = b"".join(major(i, path, 0) for i, path in enumerate(paths))
        (tmp_path / "x.log").write_bytes(HEAD_AT_0 + text + summary(2))
        assert run(tmp_path / "x.log", "-o", script).returncode == status
        done = subprocess.run(["sh", script], env=env, capture_output=True, text=True)
        message = (
            f"{script}: {1 + status} of 2 parts are in files that do not exist on this"
        )
        message += " machine"
        assert (done.returncode, done.stderr) == (status, message + "\n")
    tool.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "x.log").write_bytes(HEAD_AT_0 + major(1, here, 0) + summary(1))
    assert run(tmp_path / "x.log", "-o", script).returncode == 0
    assert subprocess.run(["sh", script], env=env).returncode == 1


@pytest.mark.parametrize(
    "text, message",
    [
        (OLD, "the log has no results of faults; record with outcome=1"),
        (minor(1, "/a", 0), "no major faults, so there is nothing to preload"),
        (major(1, "anon", 0), "no major fault is in a file that can be preloaded"),
    ],
)
def test_nothing_to_warm_is_an_error(tmp_path, text, message):
    (tmp_path / "x.log").write_bytes(text)
    done = run(tmp_path / "x.log", "-o", tmp_path / "warm.sh")
    assert done.returncode == 1 and message in done.stderr
    assert not (tmp_path / "warm.sh").exists()
