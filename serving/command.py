"""`serve`: answer requests over HTTP until SIGTERM.

    python -m serving serve --model minimind-26m --slots 8 --queue 32
    python -m serving serve --backend http://127.0.0.1:8001 --port 8000
    python -m serving serve --backend redis://127.0.0.1:6379 --port 8000

With --backend this node is a thin front of any OpenAI-compatible server, or of the workers of a Redis. The
log is one JSON object a line on standard error; its line "listening" names the port. See docs/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from typing import TYPE_CHECKING

from minimind_core.command_options import add_device_arguments, add_model_arguments
from minimind_core.parent import end_when_input_closes
from serving.arguments import DEFAULT, add_numbers, add_paged, embedded, settings_of
from serving.settings import EMBEDDED, QUEUES, Settings

if TYPE_CHECKING:
    from serving.backends.backend import Backend

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `serve`."""
    parser.add_argument(
        "--backend", default=EMBEDDED, metavar="URL", help=f"{EMBEDDED}, a server or a Redis ({EMBEDDED})"
    )
    parser.add_argument("--host", default=DEFAULT.host, help=f"({DEFAULT.host})")
    parser.add_argument("--port", type=int, default=DEFAULT.port, help=f"0 takes a free one ({DEFAULT.port})")
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="it is reached under; repeatable"
    )
    add_numbers(parser)
    parser.add_argument(
        "--until-eof", action="store_true", help="end at once when standard input closes, as with a parent"
    )
    add_paged(parser)
    parser.add_argument(
        "--fallback", metavar="NAME", help="smaller model that answers while the breaker is open"
    )
    add_model_arguments(parser)
    add_device_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve; 0 after a drain, 130 after Ctrl+C."""
    if options.until_eof:
        end_when_input_closes()
    return asyncio.run(_serve(settings_of(options), options))


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from serving.logs import log_to
    from serving.server import DrainingServer
    from serving.service import Service

    fallback = None
    if settings.fallback is not None:
        fallback = await embedded(
            settings, argparse.Namespace(**{**vars(options), "model": settings.fallback})
        )
    service = Service(settings, await _backend(settings, options), fallback)
    log_to()
    server = DrainingServer(service)
    await server.serve()
    return INTERRUPTED if server.signal == signal.SIGINT else 0


async def _backend(settings: Settings, options: argparse.Namespace) -> Backend:
    """What the settings say; only our own engine loads torch."""
    if settings.backend == EMBEDDED:
        return await embedded(settings, options)
    if settings.backend.startswith(QUEUES):
        from serving.scaleout.front import RedisBackend

        return RedisBackend(settings.backend)
    from serving.backends.remote import RemoteBackend

    return RemoteBackend(settings.backend, settings.most_in_flight)
