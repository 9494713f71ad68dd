"""The app for a team as deploy/README.md sets it up, all of it here.

    python -m tests.browser.team          prints where it is, and serves until Ctrl+C; `make team`

nginx before two processes of the app, one PostgreSQL, and a login at a provider of OpenID Connect that asks
for a name and no password. Everything lies in a temporary folder and ends with it.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from oidc_provider_mock import run_server_in_thread

from tests.browser.conftest import free_port, running_app
from tests.browser.login import secrets
from tests.browser.processes import web_process
from tests.serving.scaleout.balancer import Balancer, balancing
from tests.study import postgres


class Team(NamedTuple):
    """What runs; `processes` by their ports."""

    balancer: Balancer
    processes: dict[int, psutil.Process]

    @property
    def address(self) -> str:
        """Where browsers go."""
        return self.balancer.address


@contextmanager
def running_team(folder: Path) -> Iterator[Team]:
    """All of it; what each part keeps and says lies below `folder`."""
    binaries = postgres.programs()
    assert binaries, "no PostgreSQL: `make system` installs one"
    door, ports = free_port(), (free_port(), free_port())
    with ExitStack() as parts:
        database = parts.enter_context(postgres.serving(binaries))
        provider = parts.enter_context(run_server_in_thread())
        login = secrets(folder, door, f"http://localhost:{provider.server_port}")
        processes = {}
        for port in ports:
            (own := folder / str(port)).mkdir()
            app = running_app(
                own,
                port,
                "--secrets.files",
                str(login),
                MINIMIND_DATABASE=database,
                MINIMIND_PUBLIC_ORIGIN=f"http://127.0.0.1:{door}",
            )
            processes[port] = web_process(parts.enter_context(app))
        yield Team(parts.enter_context(balancing(folder, door, ports)), processes)


def main() -> None:
    """Serve until Ctrl+C or SIGTERM."""
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with tempfile.TemporaryDirectory() as folder, running_team(Path(folder)) as team:
        ports = " and ".join(map(str, team.processes))
        print(f"{team.address} before processes at {ports}; any name signs in; Ctrl+C ends it", flush=True)
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
