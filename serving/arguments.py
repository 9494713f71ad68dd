"""Options that several commands of the service share, and what is made of them."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from minimind_core.command_options import load, positive, whole
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.backends.embedded import EmbeddedBackend

DEFAULT = Settings()
MOST_HERE, MOST_IN_CLUSTER = 64, 256
"""Processes of one kind that a command starts on this machine, or on the machines of a cluster."""
_NUMBERS: dict[str, tuple[str, Callable[[str], float], str]] = {
    "num_slots": ("--slots", positive, "requests answered together"),
    "queue": ("--queue", whole, "requests that may wait; one more gets 503"),
    "max_length": ("--max-length", positive, "tokens of prompt and answer together"),
    "max_new_tokens": ("--max-new-tokens", positive, "tokens of one answer"),
    "deadline": ("--deadline", float, "seconds that a request may take"),
    "breaker_failures": ("--breaker-failures", positive, "failures in a row that open the breaker"),
    "breaker_seconds": ("--breaker-seconds", float, "seconds after which a request may try again"),
    "gather_seconds": ("--gather-seconds", float, "seconds of an answer's tokens that are sent together"),
    "drain_seconds": ("--drain-seconds", float, "seconds after SIGTERM for what was accepted"),
}
"""By its name in Settings how an option is called, read and explained."""
ENGINE = ("num_slots", "max_length", "max_new_tokens", "drain_seconds")
"""What concerns whoever runs an engine."""


def at_most(most: int) -> Callable[[str], int]:
    """For argparse: a whole number of processes from 1 to `most`.

    >>> at_most(64)("2")
    2
    """

    def number(text: str) -> int:
        if not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be from 1 to {most} processes")
        return int(text)

    return number


def add_numbers(parser: argparse.ArgumentParser, *fields: str) -> None:
    """The options of these fields of Settings; all that are numbers where none is named."""
    for field in fields or _NUMBERS:
        name, kind, text = _NUMBERS[field]
        default = getattr(DEFAULT, field)
        parser.add_argument(
            name, dest=field, type=kind, default=default, metavar="N", help=f"{text} ({default:g})"
        )


def add_paged(parser: argparse.ArgumentParser) -> None:
    """--paged."""
    parser.add_argument("--paged", action="store_true", help="keep keys and values in shared blocks")


def number_words(options: argparse.Namespace, *fields: str) -> list[str]:
    """The same options as words for another process."""
    return [word for field in fields for word in (_NUMBERS[field][0], f"{getattr(options, field):g}")]


def settings_of(options: argparse.Namespace) -> Settings:
    """What the options say. Raises ConfigError."""
    given = vars(options)
    return Settings(
        allowed_hosts=tuple(given.get("allowed_host", ())),
        **{name: given[name] for name in Settings.__dataclass_fields__ if name in given},
    )


async def embedded(settings: Settings, options: argparse.Namespace) -> EmbeddedBackend:
    """The engine that the options name, warm. Imports torch."""
    from serving.backends.embedded import EmbeddedBackend

    backend = EmbeddedBackend(load(options), settings)
    await backend.warm_up()
    # what the compiler left behind lives as long as the process: without this, Python looks through all of it
    # again and again while requests wait
    gc.collect()
    gc.freeze()
    return backend
