"""The nginx of deploy/nginx/team.conf before processes at free ports, and who answered whom by its log."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from string import Template
from typing import NamedTuple

from serving.scaleout.programs import DEPLOY, ends_with_us, find

PATIENCE = 60.0
LISTENS, PROCESSES = 8080, (8501, 8502)
"""Ports in team.conf."""
COOKIE = "minimind_process"
_LOG = "log_format answered '$minimind_process $upstream_addr'; access_log {folder}/answered answered;"


class Balancer(NamedTuple):
    """Where browsers go, and nginx' folder."""

    address: str
    folder: Path

    def answered(self, browser: str) -> int:
        """The port of the process that answered a browser last; it is named by its cookie.

        Where processes were tried in turn, the last of them answered.
        """
        lines = [line.split() for line in (self.folder / "answered").read_text().splitlines()]
        return int([words for words in lines if words[0] == browser][-1][-1].rpartition(":")[2])


@contextmanager
def balancing(folder: Path, port: int, processes: Sequence[int]) -> Iterator[Balancer]:
    """nginx at this port before two processes; it ends with the block."""
    _configure(folder, port, processes)
    [program] = find("nginx")
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "local.conf")]
    log = (folder / "nginx.log").open("ab")
    process = subprocess.Popen([*ends_with_us(), *command], stdout=log, stderr=log)
    try:
        _await_port(port, process, folder / "nginx.log")
        yield Balancer(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.close()


def _configure(folder: Path, port: int, processes: Sequence[int]) -> None:
    team = (DEPLOY / "nginx" / "team.conf").read_text(encoding="utf-8")
    for given, own in zip((LISTENS, *PROCESSES), (port, *processes), strict=True):
        assert f"127.0.0.1:{given}" in team
        team = team.replace(f"127.0.0.1:{given}", f"127.0.0.1:{own}")
    around = Template((DEPLOY / "nginx" / "local.conf.template").read_text(encoding="utf-8"))
    main = around.substitute(FOLDER=folder, USER=getpass.getuser())
    main = main.replace("access_log off;", _LOG.format(folder=folder)).replace("service.conf", "team.conf")
    (folder / "team.conf").write_text(team, encoding="utf-8")
    (folder / "local.conf").write_text(main, encoding="utf-8")


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.02)
