# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that are made to be taken for something else, in every output."""

from __future__ import annotations

import csv
import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from faultlog.cli import main
from logs import ENV, HEAD, SCRIPT, fault, run, summary

NAMES = [
    b"x\n# recorded=1 retries=0 dropped=0 overwritten=0 missed=0 target=exited",
    b"\nEXIT_CODE\n",
    b"EXIT_CODE",
    b"\nPID =        1 Page Fault at Address 0x1 at Time 1 tid=1",
    b"# child time=1 pid=1 ppid=1 comm=forged",
    b"a map=b offset=0x0 result=major latency_ns=1 tries=1",
    b"=cmd|' /C calc'!A1",
    b"+1,2;\t\"quoted\",'x'",
    b"@SUM(1)",
    b"-2+3",
    b" =HYPERLINK(1)",
    b"x;=1+1;  +2;-3;@4",
    "＝1;＋2;－3;＠4".encode(),
    b"'=1",
    b'x;"=1+1;"',
    b'x; ""@SUM(1);y',
    b"</script><script>alert(1)</script>",
    b"]]></style><svg onload=alert(1)>",
    b"--><!-- &lt;&#60;&amp",
    b"javascript:alert(1)",
    b"\x1b[2J\x1b]0;title\a",
    b"\x9b31m\x90q\x9c",
    b"\xc2\x9b2J",
    b"\xff\xfe\x80\xed\xa0\x80",
    b"\xe2\x80\xaegpj.exe\xe2\x81\xa6",
    b"\xe2\x80\xa8line\xc2\x85",
    b"\xef\xbb\xbf\xf0\x9f\x92\xa9\xcc\x81\xcc\x81",
    b"\\040\\012\\",
    b"\\999\\4",
    b"\r\b\t\v\f\x7f\x01",
    b"%s%n%p%d{0}{x!r}",
    b"$(reboot)`reboot`;reboot",
    b"$\\frac{1}$ $x_{ $",
    b"'; DROP TABLE faults; --",
    b'"},{"ph":"X"',
    b"NaN",
    b"(all)",
    b"?",
    b"-o",
    b"",
    b"\n" * 200,
    b"y" * 4000,
]


def escaped(name: bytes) -> bytes:
    """A name as the kernel modules write it."""
    return b"".join(
        b"\\%03o" % c if c <= 32 or c in b"\\\x7f" else bytes([c]) for c in name
    )


def log_of(names: list[bytes]) -> bytes:
    """A log with these names of files, processes and the program, two faults each.

    The second has them in place of the other columns' words, too, as no kernel half
    would write it.
    """
    head = HEAD.replace(b"loaded=1389595000000", b"loaded=0")
    text = head.replace(b"comm=cc1plus", b"comm=" + escaped(names[0]))
    words = {"access": "read", "mode": "user", "region": "file", "result": "major"}
    for i, name in enumerate(names):
        pid, start = 5000 + i, 1000 * (i + 1)
        written = escaped(name[:700]) or b"?"
        comm = (pid, escaped(name[:15]))
        text += b"# child time=%d pid=%d ppid=4494 comm=%s\n" % (start, *comm)
        text += b"# exec time=%d pid=%d comm=%s\n" % (start + 1, *comm)
        keys = words | {"tid": str(pid), "ip": "0x401000", "latency_ns": "5"}
        line = fault(start + 2, 0x1000 * i, pid, 2 * i, **keys)
        text += line[:-1] + b" map=/f%s offset=0x%x000\n" % (escaped(name), i)
        line = fault(start + 3, 0x1000 * (i + 1), pid, 2 * i + 1, **keys)
        for key, word in words.items():
            line = line.replace(
                f" {key}={word}".encode(), f" {key}=".encode() + written
            )
        text += line[:-1] + b" map=%s offset=0x0\n" % written
    end = summary(2 * len(names))[:-1] + b" children=%d\n" % len(names)
    return text + end


def harmless(text: str) -> None:
    """Check that a text has no effect on a terminal."""
    for line in text.split("\n"):
        odd = [c for c in line if unicodedata.category(c)[0] == "C"]
        assert not odd, (line, odd)


def is_csv(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(NAMES)
    for row in rows:
        assert None not in row and None not in row.values()
        for key in ("map", "program", "region", "access", "result"):
            is_no_formula(row[key])
    has_no_formula(path.read_text("utf-8"))
    harmless(path.read_text("utf-8"))


def has_no_formula(text: str) -> None:
    """Nor for a spreadsheet for which the ; ends a cell, and quotes those that begin with them."""
    for row in csv.reader(text.splitlines(), delimiter=";"):
        for cell in row:
            assert not cell.lstrip().startswith(tuple("=+-@＝＋－＠")), row


def is_no_formula(cell: str) -> None:
    """Not even in a spreadsheet that takes a ; for the end of a cell."""
    for part in cell.split(";"):
        assert not part.lstrip().startswith(tuple("=+-@\t\r＝＋－＠")), cell


def is_jsonl(path: Path) -> None:
    lines = path.read_text("utf-8").split("\n")
    assert lines.pop() == "" and len(lines) == 2 * len(NAMES)
    assert all(isinstance(json.loads(line), dict) for line in lines)
    harmless("\n".join(lines))


def is_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        count = database.execute("SELECT count(*) FROM faults").fetchone()
        assert count == (2 * len(NAMES),)


def is_trace(path: Path) -> None:
    events = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    events = events["traceEvents"] if isinstance(events, dict) else events
    # For each name: two faults, one of them with an unknown result, a child and a program.
    kinds = Counter(event["ph"] for event in events)
    assert (kinds["X"], kinds["i"]) == (len(NAMES), 3 * len(NAMES))


def is_page(path: Path) -> None:
    """test_page.py looks at it in a browser."""
    text = path.read_text("utf-8")
    for name in NAMES:
        if b"<" in name:
            assert name.decode() not in text
    assert "onload=alert" not in text and "<script>alert" not in text


def is_svg(path: Path) -> None:
    for element in ElementTree.parse(path).iter():
        tag = element.tag.rpartition("}")[2]
        assert tag not in ("script", "foreignObject", "a"), tag
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2]
            assert not name.startswith("on")
            assert name != "href" or value.startswith(("#", "data:image/png;base64,"))


def is_png(path: Path) -> None:
    assert path.read_bytes().startswith(b"\x89PNG\r\n")


def is_pdf(path: Path) -> None:
    data = path.read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert b"/JavaScript" not in data and b"/URI" not in data


def is_script(path: Path) -> None:
    subprocess.run(["sh", "-n", path], check=True)
    for line in path.read_bytes().split(b"\n"):
        assert b"reboot" not in line or b"'" in line or line.startswith(b"#")


OUTPUTS = {
    ".csv": is_csv,
    ".jsonl": is_jsonl,
    ".sqlite": is_database,
    ".trace.json": is_trace,
    ".html": is_page,
    ".svg": is_svg,
    ".png": is_png,
    ".pdf": is_pdf,
    ".sh": is_script,
}


@pytest.mark.parametrize("suffix, is_right", OUTPUTS.items(), ids=OUTPUTS)
def test_files(tmp_path: Path, suffix: str, is_right: Callable[[Path], None]) -> None:
    log, out = tmp_path / "x.log", tmp_path / f"out{suffix}"
    log.write_bytes(log_of(NAMES))
    done = run(log, "-o", out)
    harmless(done.stdout)
    harmless(done.stderr)
    # None of the script's files exists here.
    assert done.returncode == (suffix == ".sh"), done.stderr
    is_right(out)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("view", ["mapping", "threads"])
def test_views(tmp_path: Path, view: str) -> None:
    log, out = tmp_path / "x.log", tmp_path / "out.svg"
    log.write_bytes(log_of(NAMES))
    done = run(log, "--view", view, "-o", out)
    harmless(done.stdout + done.stderr)
    assert done.returncode == 0, done.stderr
    is_svg(out)


WORDS = "map,program,region,access,mode,result"


@pytest.mark.parametrize(
    "more", [[], ["--csv"], ["--compare"], ["--csv", "--compare"]], ids=str
)
def test_tables(tmp_path: Path, more: list[str]) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(log_of(NAMES))
    if "--compare" in more:
        more = [*more, str(log)]
    done = run(log, "--by", WORDS, "--top", "0", *more)
    harmless(done.stdout)
    harmless(done.stderr)
    assert done.returncode == 0, done.stderr
    if "--csv" in more:
        has_no_formula(done.stdout)
        rows = list(csv.DictReader(done.stdout.splitlines()))
        for row in rows:
            for key in WORDS.split(","):
                is_no_formula(row[key])
        assert {"' =HYPERLINK(1)", "''=1"} <= {row["program"] for row in rows}
    # The head has several lines; each group has one, and two may be equal.
    assert 2 * len(NAMES) - 3 < len(done.stdout.splitlines()) <= 2 * len(NAMES) + 12


def test_names_are_written_in_one_way_in_every_csv(tmp_path: Path) -> None:
    """Each name differs from the others, so that the original can be recovered."""
    log, out = tmp_path / "x.log", tmp_path / "x.csv"
    log.write_bytes(log_of(NAMES))
    assert run(log, "-o", out).returncode == 0
    rows = list(csv.DictReader(out.read_text("utf-8").splitlines()))
    for key in ("map", "program"):
        table = run(log, "--by", key, "--csv").stdout.splitlines()
        names = [row[key] for row in csv.DictReader(table)]
        assert set(names) == {row[key] for row in rows}


@pytest.mark.parametrize("is_link", [False, True])
def test_a_database_that_is_replaced_while_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: object, is_link: bool
) -> None:
    """In a folder that others may write to: nothing is written to a file of theirs."""
    log, victim = tmp_path / "x.log", tmp_path / "victim"
    log.write_bytes(log_of([b"a"]))
    victim.write_bytes(b"")
    connect = sqlite3.connect

    def replaced(*args: object, **keys: object) -> sqlite3.Connection:
        (part,) = tmp_path.glob(".x.sqlite.*")
        if is_link:
            (tmp_path / "link").symlink_to(victim)
        else:
            os.link(victim, tmp_path / "link")
        os.replace(tmp_path / "link", part)
        return connect(*args, **keys)

    monkeypatch.setattr(sqlite3, "connect", replaced)
    assert main([str(log), "-o", str(tmp_path / "x.sqlite")]) == 1
    assert "somebody replaced it" in capfd.readouterr().err
    assert victim.read_bytes() == b""
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0].startswith(".x.sqlite.") and names[1:] == ["victim", "x.log"]


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes a file of another user")
def test_an_output_that_somebody_else_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have let them read the log's contents. The user of sudo is the same person."""
    log, out = tmp_path / "x.log", tmp_path / "x.csv"
    log.write_bytes(log_of([b"a"]))
    log.chmod(0o600)
    for sudo, mode in (("", 0o600), ("12345", 0o666)):
        out.touch()
        out.chmod(0o666)
        os.chown(out, 12345, 12345)
        monkeypatch.setenv("SUDO_UID", sudo)
        assert main([str(log), "-o", str(out)]) == 0
        assert out.stat().st_mode & 0o777 == mode


def test_a_database_of_many_processes_takes_no_longer(tmp_path: Path) -> None:
    """A set of all processes was made for each of them."""
    text = HEAD.replace(b"loaded=1389595000000", b"loaded=0")
    text += b"".join(
        b"# child time=1 pid=%d ppid=4494 comm=x\n" % pid
        + fault(2, 0x1000, pid, tid=pid)
        for pid in range(5000, 45000)
    )
    log, out = tmp_path / "x.log", tmp_path / "x.sqlite"
    log.write_bytes(text + summary(40000))
    start = time.monotonic()
    assert run(log, "-o", out).returncode == 0
    assert time.monotonic() - start < 15
    with closing(sqlite3.connect(out)) as database:
        count = database.execute("SELECT count(*) FROM process").fetchone()
    assert count == (40000,)


@pytest.mark.parametrize("kind", ["child", "exec"])
@pytest.mark.parametrize("time_ns", [(1 << 63) - 1, 1 << 63, 10**19 - 1])
def test_an_event_at_a_time_beyond_63_bits_is_a_bad_line(
    tmp_path: Path, capsys: pytest.CaptureFixture, kind: str, time_ns: int
) -> None:
    """SQLite has no such integer: that was a traceback."""
    log, out = tmp_path / "x.log", tmp_path / "x.sqlite"
    event = f"# {kind} time={time_ns} pid=4494 ppid=1 comm=x\n".encode()
    log.write_bytes(HEAD + fault(1389595000001, 0x1000, tid=1) + event + summary(1))
    assert main([str(log), "-o", str(out)]) == 0
    is_bad = time_ns >= 1 << 63
    text = "1 bad line left out, the first is line 3"
    assert (text in capsys.readouterr().err) == is_bad
    with closing(sqlite3.connect(out)) as database:
        found = database.execute("SELECT max(since_ns) FROM process").fetchone()
    assert found == (None if is_bad else time_ns,)


def test_a_database_in_a_folder_of_an_odd_name(tmp_path: Path) -> None:
    """SQLite gets it as a URI."""
    folder = tmp_path / "a ?mode=memory#%41"
    folder.mkdir()
    (folder / "x.log").write_bytes(log_of([b"a"]))
    assert run(folder / "x.log", "-o", folder / "x.sqlite").returncode == 0
    with closing(sqlite3.connect(folder / "x.sqlite")) as database:
        count = database.execute("SELECT count(*) FROM faults").fetchone()
    assert count == (2,)


BYTES = os.fsdecode(b"/f\xff\xfe\x80")
PATTERNS = (BYTES[1:], BYTES[:3] + "*", "/f\ufffd*")


@pytest.mark.parametrize(
    "pattern, suffix",
    [(BYTES, suffix) for suffix in [*OUTPUTS, ""]]
    + [(pattern, suffix) for pattern in PATTERNS for suffix in (".sqlite", "")],
)
def test_a_filter_that_is_no_utf_8(
    tmp_path: Path, capfd: pytest.CaptureFixture, pattern: str, suffix: str
) -> None:
    """It was a traceback in all outputs that repeat the filter, and matched nothing."""
    log, out = tmp_path / "x.log", tmp_path / f"out{suffix}"
    log.write_bytes(log_of([b"\xff\xfe\x80", b"other"]))
    output = ["-o", str(out)] if suffix else ["--by"]
    status = main([str(log), "--map", pattern, *output])
    done = capfd.readouterr()
    harmless(done.out + done.err)
    if suffix == ".sh":  # the file is not here
        assert (status, out.exists()) == (1, True)
        return
    assert status == 0
    if suffix == ".sqlite":
        with closing(sqlite3.connect(out)) as database:
            assert database.execute("SELECT count(*) FROM fault").fetchone() == (1,)
    elif suffix in (".csv", ".jsonl", ".trace.json", ".html", ".svg"):
        assert "\\udc" not in out.read_text("utf-8")


@pytest.mark.parametrize("option", ["--map", "--region", "--access"])
def test_a_filter_of_other_bytes_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture, option: str
) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(log_of([b"\xff"]))
    assert main([str(log), option, os.fsdecode(b"\xfe")]) == 1
    assert f"({option[2:]}=\ufffd)" in capfd.readouterr().err


@pytest.mark.parametrize("suffix", [".html", ".svg", ""])
def test_the_log_itself_may_have_any_name(tmp_path: Path, suffix: str) -> None:
    log = tmp_path / "<script>\x1b[2J\u202e=1+1\n$x_{$.log"
    log.write_bytes(log_of([b"a"]))
    what = ["-o", tmp_path / f"out{suffix}"] if suffix else ["--by", "--compare", log]
    done = run(log, *what)
    assert done.returncode == 0, done.stderr
    harmless(done.stdout + done.stderr)
    if not suffix:
        return
    if suffix == ".svg":
        is_svg(tmp_path / "out.svg")
    else:
        assert "<script>\x1b" not in (tmp_path / "out.html").read_text("utf-8")


def test_the_name_of_the_output_on_a_terminal(tmp_path: Path) -> None:
    """It comes from the log's name; other programs get it unchanged."""
    log = tmp_path / "\x1b[2J\u202e.log"
    log.write_bytes(log_of([b"a"]))
    assert run(log).stdout == f"{log.with_suffix('.png')}\n"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-B", SCRIPT, log]
    subprocess.run(
        command, env=ENV, stdout=theirs, stderr=subprocess.DEVNULL, check=True
    )
    os.close(theirs)
    output = os.read(ours, 4096).decode()
    os.close(ours)
    assert output == f"{tmp_path}/\ufffd[2J\ufffd.png\r\n"
