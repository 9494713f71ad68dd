"""`serve`: answer requests over HTTP until SIGTERM.

    python -m serving serve --model minimind-26m --slots 8 --queue 32
    python -m serving serve --backend http://127.0.0.1:8001 --port 8000

With --backend this node is a thin front of any OpenAI-compatible server. The log is one JSON object a line on
standard error; its line "listening" names the port. See docs/serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from typing import TYPE_CHECKING

from minimind_core.command_options import add_device_arguments, add_model_arguments, load, positive, whole
from minimind_core.parent import end_when_input_closes
from serving.settings import EMBEDDED, Settings

if TYPE_CHECKING:
    from serving.backends.backend import Backend

INTERRUPTED = 130
_DEFAULT = Settings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `serve`."""
    parser.add_argument(
        "--backend", default=EMBEDDED, metavar="URL", help=f"{EMBEDDED}, or a server ({EMBEDDED})"
    )
    parser.add_argument("--host", default=_DEFAULT.host, help=f"({_DEFAULT.host})")
    parser.add_argument(
        "--port", type=int, default=_DEFAULT.port, help=f"0 takes a free one ({_DEFAULT.port})"
    )
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="it is reached under; repeatable"
    )
    for name, field, kind, text in (
        ("--slots", "num_slots", positive, "requests answered together"),
        ("--queue", "queue", whole, "requests that may wait; one more gets 503"),
        ("--max-length", "max_length", positive, "tokens of prompt and answer together"),
        ("--max-new-tokens", "max_new_tokens", positive, "tokens of one answer"),
        ("--deadline", "deadline", float, "seconds that a request may take"),
        ("--breaker-failures", "breaker_failures", positive, "failures in a row that open the breaker"),
        ("--breaker-seconds", "breaker_seconds", float, "seconds after which a request may try again"),
        ("--drain-seconds", "drain_seconds", float, "seconds after SIGTERM for what was accepted"),
    ):
        default = getattr(_DEFAULT, field)
        parser.add_argument(
            name, dest=field, type=kind, default=default, metavar="N", help=f"{text} ({default:g})"
        )
    parser.add_argument(
        "--until-eof", action="store_true", help="end at once when standard input closes, as with a parent"
    )
    parser.add_argument("--paged", action="store_true", help="keep keys and values in shared blocks")
    parser.add_argument(
        "--fallback", metavar="NAME", help="smaller model that answers while the breaker is open"
    )
    add_model_arguments(parser)
    add_device_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve; 0 after a drain, 130 after Ctrl+C."""
    if options.until_eof:
        end_when_input_closes()
    given = vars(options)
    settings = Settings(
        allowed_hosts=tuple(options.allowed_host),
        **{name: given[name] for name in Settings.__dataclass_fields__ if name in given},
    )
    return asyncio.run(_serve(settings, options))


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from serving.logs import log_to
    from serving.server import DrainingServer
    from serving.service import Service

    fallback = None
    if settings.fallback is not None:
        fallback = await _embedded(
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
        return await _embedded(settings, options)
    from serving.backends.remote import RemoteBackend

    return RemoteBackend(settings.backend, settings.most_in_flight)


async def _embedded(settings: Settings, options: argparse.Namespace) -> Backend:
    from serving.backends.embedded import EmbeddedBackend

    backend = EmbeddedBackend(load(options), settings)
    await backend.warm_up()
    return backend
