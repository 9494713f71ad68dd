"""The programs around our own: where redis-server and nginx lie, and how they are started in one folder."""

from __future__ import annotations

import getpass
import math
import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from string import Template
from urllib.parse import quote

from minimind_core.errors import MiniMindError

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DEBIAN = {"redis-server": "redis-server", "nginx": "nginx"}
"""By program the package of Debian and Ubuntu that has it."""
NODE_SPEAKS = 15
"""Seconds after a deadline in which a node says that it has passed."""


class MissingProgram(MiniMindError):
    """A program that is not installed here."""


def find(*names: str) -> list[str]:
    """Where programs lie. Raises MissingProgram with one sentence for all that are missing."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = {name: shutil.which(name, path=path) for name in names}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        packages = " ".join(DEBIAN[name] for name in missing)
        verb = "is" if len(missing) == 1 else "are"
        raise MissingProgram(
            f"{' and '.join(missing)} {verb} not installed; on Debian and Ubuntu run "
            f"apt-get install {packages}, on macOS brew install {packages.replace('-server', '')}."
        )
    return [str(place) for place in found.values()]


def redis_command(folder: Path) -> list[str]:
    """A Redis that keeps its data in `folder` and is reached through a socket there, by no network."""
    [program] = find("redis-server")
    options = {"--port": "0", "--unixsocket": "redis.sock", "--unixsocketperm": "700", "--dir": str(folder)}
    return [
        program,
        str(DEPLOY / "redis" / "queue.conf"),
        *(word for pair in options.items() for word in pair),
    ]


def redis_address(folder: Path) -> str:
    """Of the Redis in that folder."""
    return f"unix://{quote(str(folder / 'redis.sock'))}"


def nginx_command(folder: Path, port: int, nodes: Sequence[int], deadline: float) -> list[str]:
    """An nginx on loopback before the nodes at these ports; its files are written into `folder`.

    It waits longer for a node than the `deadline` of a request, in seconds: the node says that it is over.
    """
    [program] = find("nginx")
    servers = " ".join(f"server 127.0.0.1:{node} max_fails=1 fail_timeout=1s;" for node in nodes)
    values = {
        "FOLDER": str(folder),
        "USER": getpass.getuser(),
        "LISTEN": f"127.0.0.1:{port}",
        "NODES": servers,
        "READ_SECONDS": str(math.ceil(deadline) + NODE_SPEAKS),
    }
    for name in ("local.conf", "service.conf"):
        template = Template((DEPLOY / "nginx" / f"{name}.template").read_text(encoding="utf-8"))
        # Names of nginx' own, such as $host, stay as they are.
        (folder / name).write_text(template.safe_substitute(values), encoding="utf-8")
    return [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "local.conf")]


def ends_with_us() -> list[str]:
    """What a command is put behind so that it ends where this process is killed; only Linux has it."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "TERM", "--"] if program else []


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
