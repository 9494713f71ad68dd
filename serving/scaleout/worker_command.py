"""`worker`: answer what API nodes put into the queue, until SIGTERM.

    python -m serving worker --queue-address redis://127.0.0.1:6379 --slots 8

Any number of them may come and go. One that dies loses nothing: another one takes over what it held. On
SIGTERM it takes no more, finishes what it has and ends with 0; a second signal ends it at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import uuid

from minimind_core.command_options import add_device_arguments, add_model_arguments
from serving.arguments import ENGINE, add_numbers, add_paged, embedded, settings_of
from serving.scaleout.takeover import cut_alike
from serving.settings import QUEUES, is_address

DEFAULT_ADDRESS = "redis://127.0.0.1:6379"
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `worker`."""
    parser.add_argument(
        "--queue-address", type=_address, default=DEFAULT_ADDRESS, metavar="URL", help=f"({DEFAULT_ADDRESS})"
    )
    parser.add_argument(
        "--metrics-port", type=int, metavar="N", help="where Prometheus reads, 0 takes a free one (nowhere)"
    )
    parser.add_argument("--metrics-host", default="127.0.0.1", metavar="NAME", help="(127.0.0.1)")
    add_numbers(parser, *ENGINE)
    add_paged(parser)
    add_model_arguments(parser)
    add_device_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Work; 0 after a drain, 130 after Ctrl+C."""
    return asyncio.run(_work(options))


async def _work(options: argparse.Namespace) -> int:
    from serving.logs import log_to, tell
    from serving.scaleout.stream import RequestStream, Unreachable
    from serving.scaleout.worker import Worker
    from serving.scaleout.worker_metrics import serve_metrics

    settings = cut_alike(settings_of(options))
    backend = await embedded(settings, options)
    log_to()
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    stream = RequestStream(options.queue_address)
    worker = Worker(stream, backend, settings.num_slots, name)
    port = None
    if options.metrics_port is not None:
        port = serve_metrics(worker, backend, options.metrics_host, options.metrics_port)
    work = asyncio.create_task(worker.run())
    ended_by: list[int] = []

    def end(sig: int) -> None:
        if ended_by:
            work.cancel()
        ended_by.append(sig)
        worker.drain()
        loop.call_later(settings.drain_seconds, work.cancel)
        tell("draining", running=len(worker.running), signal=signal.Signals(sig).name)

    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, end, sig)
    tell("working", worker=name, slots=settings.num_slots, metrics_port=port)
    try:
        with contextlib.suppress(asyncio.CancelledError, Unreachable):
            await work
    finally:
        tell("ended", **vars(worker.counts))
        await stream.close()
        await backend.close()
    return INTERRUPTED if ended_by[:1] == [signal.SIGINT] else 0


def _address(text: str) -> str:
    if not is_address(text, QUEUES):
        raise argparse.ArgumentTypeError(f"{text!r:.100} is no address with one of {', '.join(QUEUES)}")
    return text
