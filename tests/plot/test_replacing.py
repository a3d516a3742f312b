# SPDX-License-Identifier: GPL-2.0-or-later
"""How an output takes its place: what is not its own is left alone, its mode is no ACL's mask."""

from __future__ import annotations

import errno
import os
import stat
import struct
from types import SimpleNamespace

import pytest
from faultlog.report.outputs import _part, replacing


@pytest.fixture
def job(tmp_path):
    log = tmp_path / "x.log"
    log.write_text("")
    log.chmod(0o600)
    return SimpleNamespace(
        output=tmp_path / "x.csv", name=str(log), on_stdout=False, log=()
    )


def test_a_part_that_another_program_has_made_is_left_alone(job):
    _part(job.output).write_text("theirs")
    with pytest.raises(FileExistsError) as caught, replacing(job):
        pass
    assert caught.value.filename == str(job.output)
    assert _part(job.output).read_text() == "theirs"


def test_what_takes_the_parts_name_meanwhile_is_left_alone(job):
    with pytest.raises(ValueError), replacing(job):
        _part(job.output).unlink()
        _part(job.output).write_text("theirs")
        raise ValueError
    assert _part(job.output).read_text() == "theirs"


def test_a_part_of_ones_own_is_removed(job):
    with pytest.raises(ValueError), replacing(job) as file:
        file.write(b"x")
        raise ValueError
    assert [path.name for path in job.output.parent.iterdir()] == ["x.log"]


def test_the_mask_of_an_acl_is_not_the_mode_of_a_group(job):
    acl = [(1, 6, -1), (2, 6, 65533), (4, 0, -1), (16, 6, -1), (32, 0, -1)]
    value = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHi", *entry) for entry in acl
    )
    try:
        os.setxattr(job.name, "system.posix_acl_access", value)
    except OSError as err:
        assert err.errno == errno.EOPNOTSUPP
        pytest.skip("no ACLs here")
    assert stat.S_IMODE(os.stat(job.name).st_mode) == 0o660
    with replacing(job):
        pass
    assert stat.S_IMODE(job.output.stat().st_mode) == 0o600
