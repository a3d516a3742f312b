# SPDX-License-Identifier: GPL-2.0-or-later
"""Private database servers in a temporary folder, ended by their process ids.

Nobody else can connect to them: PostgreSQL listens on a socket in a private folder,
ClickHouse on a loopback port, with a password.  If the tests run as root, the servers run
as nobody, because PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S, STOP_S, COMMAND_S = 60, 30, 120
NOBODY = 65534
ZONE = "Asia/Kolkata"  # times must not depend on a server's time zone


class ServerError(Exception):
    """A server did not start, or refused a command; the text says why."""


def unprivileged() -> list[str]:
    """The first words of a server's command: it dies with us, and does not run as root."""
    words = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        words += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return words


def hand_over(folder: Path) -> None:
    """Make a folder that only the servers' user can enter."""
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)


def run(words: list[str], folder: Path, env: dict[str, str], text: str = "") -> str:
    """A client's or a shell's output; raises ServerError."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **env},
        input=text,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    if done.returncode:
        raise ServerError(f"{words[0]}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def running(line: list[str], folder: Path, stop: signal.Signals) -> Iterator[Path]:
    """Run a server; yields its log, which has all its output."""
    path = folder / "server.log"
    with open(path, "wb") as log:
        process = subprocess.Popen(
            [*unprivileged(), *line],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield path
        finally:
            process.send_signal(stop)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Database:
    """One of the servers, used by its client program."""

    name: str
    env: dict[str, str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ask(self, sql: str) -> str:
        """The answer as CSV with a line of names."""
        raise NotImplementedError

    def execute(self, sql: str) -> None:
        """Run statements; ignore their answers."""
        raise NotImplementedError

    def wait(self, log: Path) -> None:
        """Wait until it answers; raises ServerError with its last lines if it never does."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.ask("SELECT 1")
                return
            except ServerError as error:
                if time.monotonic() > deadline:
                    words = log.read_text(errors="replace").splitlines()[-3:]
                    raise ServerError(f"{self.name}: {error}; {words}") from error
            time.sleep(0.2)


class Postgres(Database):
    name = "PostgreSQL"

    @contextmanager
    def serving(self) -> Iterator[None]:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
        if not programs:
            raise ServerError("PostgreSQL is not installed")
        hand_over(self.folder)
        data = str(self.folder / "data")
        line = [str(programs[-1] / "initdb"), "-D", data, "-U", "fleet", "-A", "trust"]
        line += ["--no-sync", "--no-locale", "-E", "UTF8"]
        run([*unprivileged(), *line], self.folder, {})
        self.env = {"PGHOST": str(self.folder), "PGUSER": "fleet"}
        self.env |= {"PGDATABASE": "postgres", "PGOPTIONS": f"-c timezone={ZONE}"}
        line = [str(programs[-1] / "postgres"), "-D", data, "-k", str(self.folder)]
        line += ["-c", "listen_addresses=", "-c", "fsync=off"]
        with running(line, self.folder, signal.SIGINT) as log:
            self.wait(log)
            yield

    def ask(self, sql: str) -> str:
        words = ["psql", "-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        return run(words, Path("/"), self.env, sql)

    execute = ask


def _version(folder: Path) -> float:
    return float(folder.parent.name)


CONFIG = """<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <tcp_port>{port}</tcp_port> <listen_host>127.0.0.1</listen_host>
  <path>{folder}/data/</path> <tmp_path>{folder}/tmp/</tmp_path>
  <mark_cache_size>16777216</mark_cache_size>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile> <default_database>default</default_database>
</yandex>
"""
USERS = """<yandex>
  <profiles><default/></profiles> <quotas><default/></quotas>
  <users><default>
    <password>{password}</password> <networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile> <quota>default</quota>
  </default></users>
</yandex>
"""
CLIENT = """<config>
  <host>127.0.0.1</host> <port>{port}</port> <user>default</user> <password>{password}</password>
</config>
"""


class ClickHouse(Database):
    name = "ClickHouse"

    @contextmanager
    def serving(self) -> Iterator[None]:
        server = shutil.which(
            "clickhouse-server", path=f"{os.environ['PATH']}:/usr/sbin"
        )
        if not server:
            raise ServerError("ClickHouse is not installed")
        hand_over(self.folder)
        home = self.folder.with_name(f"{self.folder.name}-client")
        (home / ".clickhouse-client").mkdir(parents=True, mode=0o700)
        values = {"folder": self.folder, "password": secrets.token_hex(16)}
        values["port"] = _free_port()
        for path, text in {
            self.folder / "config.xml": CONFIG,
            self.folder / "users.xml": USERS,
            home / ".clickhouse-client/config.xml": CLIENT,
        }.items():
            path.write_text(text.format(**values))
            path.chmod(0o600)
            if path.parent == self.folder and os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        self.env = {"HOME": str(home), "TZ": ZONE}
        line = ["env", f"TZ={ZONE}", server, "--config-file=config.xml"]
        with running(line, self.folder, signal.SIGTERM) as log:
            self.wait(log)
            yield

    def ask(self, sql: str) -> str:
        words = ["clickhouse-client", "--format", "CSVWithNames"]
        return run([*words, "--query", sql.strip().rstrip(";")], Path("/"), self.env)

    def execute(self, sql: str) -> None:
        run(["clickhouse-client", "--multiquery"], Path("/"), self.env, sql)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
