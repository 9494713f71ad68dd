"""A PostgreSQL server of the tests' own: in a temporary folder, on a Unix socket, gone when they are.

python -m tests.study.postgres      prints where its programs lie; exit code 1 if there are none
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVE = """
set -e
"$1/initdb" --pgdata "$2/data" --username study --auth trust --encoding UTF8 --no-locale --no-sync > "$2/log"
"$1/pg_ctl" start --wait --pgdata "$2/data" --log "$2/log" --options "-c listen_addresses='' \
-c unix_socket_directories='$2' -c fsync=off -c synchronous_commit=off -c full_page_writes=off" > /dev/null
echo ready
read line || true
"$1/pg_ctl" stop --mode immediate --pgdata "$2/data" > /dev/null
rm -rf "$2"
"""
"""A shell starts the server and stops it when its standard input closes: also when pytest is killed."""


def programs() -> Path | None:
    """The folder of the newest server on this machine: Debian's, or one whose `initdb` is on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@contextmanager
def serving(binaries: Path) -> Iterator[str]:
    """Run a server; gives the address of its only database, which is empty.

    A server refuses to run as root, so root runs it as `postgres`, the user that Debian's package makes.
    """
    root = os.geteuid() == 0
    owner = "postgres" if root else None
    folder = Path(tempfile.mkdtemp(prefix="minimind-pg-"))
    if owner:
        shutil.chown(folder, owner, owner)
    shell = subprocess.Popen(
        ["/bin/sh", "-c", _SERVE, "sh", str(binaries), str(folder)],
        cwd=folder,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl+C is for pytest
        user=owner,
        group=owner,
        extra_groups=[] if root else None,
    )
    assert shell.stdin and shell.stdout
    try:
        line = shell.stdout.readline()
        assert line == "ready\n", line + shell.stdout.read() + (folder / "log").read_text()
        yield f"postgresql+psycopg://study@/postgres?host={folder}"
    finally:
        shell.stdin.close()
        shell.wait()
        shell.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    print(programs() or "no PostgreSQL found")
    sys.exit(programs() is None)
