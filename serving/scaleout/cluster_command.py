"""`cluster`: nginx, API nodes, a Redis and workers on this machine, until SIGTERM or Ctrl+C.

    python -m serving cluster --nodes 2 --workers 2

Needs the programs redis-server and nginx; whatever of it dies is started again. The log is one JSON object a
line on standard error; its line "ready" has the address. Each process has its own log in the data folder.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import tempfile
from pathlib import Path

from minimind_core.bounded import cannot_write
from minimind_core.command_options import add_device_arguments, add_model_arguments
from minimind_core.errors import require
from serving.arguments import DEFAULT, MOST_HERE, add_numbers, add_paged, at_most, settings_of

LONGEST_FOLDER = 90
"""Characters; the path of a socket has at most 107."""
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `cluster`."""
    parser.add_argument("--nodes", type=at_most(MOST_HERE), default=2, metavar="N", help="API nodes (2)")
    parser.add_argument(
        "--workers", type=at_most(MOST_HERE), default=2, metavar="N", help="workers with an engine (2)"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT.port, help=f"of nginx, 0 takes a free one ({DEFAULT.port})"
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="the queue and the logs, kept (a temporary folder)"
    )
    add_numbers(parser)
    add_paged(parser)
    add_model_arguments(parser)
    add_device_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run all of it; 0 after SIGTERM, 130 after Ctrl+C.

    Raises MissingProgram, NotStarted, ConfigError, FileError.
    """
    settings_of(options)  # a setting that cannot work is told before anything starts
    folder = options.data.resolve() if options.data else Path(tempfile.mkdtemp(prefix="minimind-cluster-"))
    require(
        len(str(folder)) <= LONGEST_FOLDER,
        f"The path of --data has more than {LONGEST_FOLDER} characters; choose a shorter one for the socket.",
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        return asyncio.run(_run(options, folder))
    finally:
        if options.data is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(options: argparse.Namespace, folder: Path) -> int:
    from serving.logs import log_to, tell
    from serving.scaleout.cluster import Cluster
    from serving.scaleout.processes import NotStarted
    from serving.scaleout.programs import free_port

    port = options.port or free_port()
    cluster = Cluster(options, folder, port)
    log_to()
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def end(sig: int) -> None:
        if not ended.done():
            ended.set_result(sig)

    for sig in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sig, end, sig)
    start = asyncio.create_task(cluster.start())
    try:
        await asyncio.wait((start, ended), return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            await start
            tell("ready", address=f"http://127.0.0.1:{port}", folder=str(folder))
            await ended
    except* NotStarted as group:
        raise group.exceptions[0] from None
    finally:
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        await cluster.stop()
    return INTERRUPTED if ended.result() == signal.SIGINT else 0
