# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python interface: faultlog.read() and Log.to_pandas()."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import faultlog
import pytest
from faultlog import cli
from faultlog.parse.log import COLUMNS, OF_OTHERS, WORD, Log
from logs import *

pandas = pytest.importorskip("pandas")
EXAMPLE = SCRIPT.parent / "doc/example.py"


def read(tmp_path, text: bytes, *arguments) -> Log:
    path = tmp_path / "a.log"
    path.write_bytes(text)
    return faultlog.read(path, *arguments)


def test_the_import_is_cheap():
    program = "import sys, faultlog; print({'numpy', 'pandas'} & {*sys.modules})"
    line = [sys.executable, "-c", program]
    assert subprocess.check_output(line, cwd=SCRIPT.parent, text=True) == "set()\n"


def test_the_documentation_has_the_columns_that_are_read():
    """With what each means; the words and the unit are those of the table that is read by."""
    text = Log.to_pandas.__doc__
    found = dict(re.findall(r"^    (\w+)  +(\S.*(?:\n        +\S.*)*)", text, re.M))
    assert list(found) == list(COLUMNS)
    for name, about in found.items():
        about = " ".join(about.split())
        assert COLUMNS[name].meaning and about.startswith(COLUMNS[name].meaning)
        assert all(word in about for word in COLUMNS[name].words)
        assert not name.endswith("_ns") or about.endswith("in ns")


def test_a_frame_has_each_value(tmp_path):
    log = read(tmp_path, FAMILY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = log.to_pandas()
    columns = [name for name in COLUMNS if name not in OF_OTHERS]
    assert list(frame) == [*columns, "at_ms"]
    lines = [line for line in FAMILY.decode().splitlines() if " Page Fault " in line]
    assert len(frame) == len(lines) == 3
    for line, (_, row) in zip(lines, frame.iterrows()):
        keys = dict(re.findall(r"(\w+)=(\S+)", line))
        first = re.search(
            r"PID = +(\d+) Page Fault at Address (\w+) at Time (\d+)", line
        )
        keys.update(zip(("pid", "address", "time_ns"), first.groups()))
        for name, value in row.drop("at_ms").items():
            if name not in keys:
                assert value is pandas.NA or value != value
            elif COLUMNS[name].form == WORD:
                assert value == keys[name]
            else:
                assert value == int(keys[name], 0)
    assert frame["map"].cat.categories.tolist() == [
        *("[heap]", "/usr/lib/x86_64-linux-gnu/libc.so.6", "[stack]")
    ]
    assert frame.attrs["head"]["comm"] == "make"
    assert frame.attrs["summary"]["recorded"] == 3
    assert frame.attrs["notes"] == []


def test_a_frame_has_times_since_the_first_fault(tmp_path):
    """There were only times since boot."""
    times = [10**15 + 2_500_000, 10**15, 10**15 + 1]
    text = HEAD_AT_0 + b"".join(fault(time, 1 << 12) for time in times)
    frame = read(tmp_path, text, ["cpu"]).to_pandas()
    assert frame["at_ms"].tolist() == [2.5, 0.0, 1e-6]
    assert "at_ms" in Log.to_pandas.__doc__


def test_the_largest_number_is_not_a_missing_one(tmp_path):
    text = HEAD_AT_0 + fault(1, 1 << 12, cpu=65535) + fault(2, 1 << 12)
    frame = read(tmp_path, text, ["cpu"]).to_pandas()
    assert list(frame) == ["time_ns", "address", "pid", "cpu", "at_ms"]
    assert frame["cpu"].isna().tolist() == [False, True]
    assert frame["cpu"][0] == 65535


def test_what_a_log_lacks_is_a_warning(tmp_path):
    log = read(tmp_path, HEAD_AT_0 + fault(1, 1 << 12) + summary(2, dropped=1))
    with pytest.warns(UserWarning, match="Not complete: 1 dropped") as shown:
        frame = log.to_pandas()
    assert shown[0].filename == __file__
    assert any("1 dropped" in note for note in frame.attrs["notes"])


def test_names_of_the_same_text_are_one_category(tmp_path):
    faults = [fault(i, i << 12, map=name) for i, name in enumerate(("/a", "/b", "/a"))]
    log = read(tmp_path, HEAD_AT_0 + b"".join(faults))
    log.names["map"] = [name.replace("b", "a") for name in log.names["map"]]
    frame = log.to_pandas()
    assert frame["map"].tolist() == ["/a"] * 3


def test_a_file_of_another_recorder(tmp_path):
    path = SCRIPT.parent / "tests/plot/others/perf_script"
    found = [p for p in path.parent.iterdir() if p.name.startswith("perf_script")]
    frame = faultlog.read(min(found)).to_pandas()
    assert len(frame) and {*OF_OTHERS} <= {*frame}
    assert frame["comm"].notna().all()


def test_a_log_without_faults(tmp_path):
    log = read(tmp_path, HEAD_AT_0 + summary(0))
    assert log.to_pandas().shape == (0, len(COLUMNS) - len(OF_OTHERS) + 1)


def test_a_wrong_column_is_named(tmp_path):
    with pytest.raises(
        faultlog.LogError, match="no column latency: choose from time_ns"
    ):
        read(tmp_path, OLD, ["latency", "map"])
    with pytest.raises(FileNotFoundError):
        faultlog.read(tmp_path / "b.log")


def test_without_pandas_the_message_names_its_package(tmp_path, monkeypatch):
    log = read(tmp_path, OLD)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        ImportError, match="pandas is needed .*apt install python3-pandas"
    ):
        log.to_pandas()


def test_the_command_reads_by_it(tmp_path, monkeypatch):
    def read(name, *_rest):
        raise faultlog.LogError(f"{name}: read")

    (tmp_path / "a.log").write_bytes(OLD)
    monkeypatch.setattr(cli, "read", read)
    with pytest.raises(faultlog.LogError, match="a.log: read"):
        cli.run([str(tmp_path / "a.log"), "--by"])


@pytest.mark.parametrize(
    "text", [FAMILY, OLD, NEW, compiler_log(500, outcomes=True)], ids=range(4)
)
def test_the_example_runs(tmp_path, text):
    (tmp_path / "a.log").write_bytes(text)
    done = subprocess.run(
        [sys.executable, EXAMPLE, tmp_path / "a.log"],
        env={
            "PYTHONPATH": str(SCRIPT.parent),
            "PYTHONWARNINGS": "error::FutureWarning",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"[\d,]+ faults of \w", done.stdout)
    if text == FAMILY:
        assert "libc.so.6    0.181" in done.stdout
