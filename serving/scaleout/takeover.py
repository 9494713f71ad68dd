"""How an answer outlives who makes it: another one makes it anew, and what the client has is left out."""

from __future__ import annotations

import secrets
from dataclasses import replace

from minimind_core.decoding.sampling_params import MAX_SEED
from serving.backends.backend import Piece, Work
from serving.errors import BackendFailed
from serving.scaleout.wire import Said
from serving.settings import Settings

MOST_DELIVERIES = 3
"""Workers that one request may bring down."""


def repeatable(work: Work) -> Work:
    """The same request with a seed, so that a second worker says what the first one said."""
    if work.sampling.seed is not None or work.sampling.greedy:
        return work
    return replace(work, sampling=replace(work.sampling, seed=secrets.randbelow(MAX_SEED)))


def cut_alike(settings: Settings) -> Settings:
    """The same for an engine whose answers another one may have to make anew: a token a piece.

    Tokens that are gathered by the clock would be cut elsewhere the second time.
    """
    return replace(settings, gather_seconds=0.0)


class Given:
    """What was given on of one answer."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def new(self, said: Said) -> list[Piece]:
        """The pieces that were not given on yet. Raises BackendFailed where they do not go on from those."""
        known = self._pieces[said.at : said.at + len(said.pieces)]
        if said.at > len(self._pieces) or list(said.pieces[: len(known)]) != known:
            raise BackendFailed(
                "The worker of this answer died, and the next one says something else; ask again.",
                retry_after=1,
            )
        new = list(said.pieces[len(known) :])
        self._pieces += new
        return new


def too_often() -> BackendFailed:
    """The end of a request that brought down as many workers as it may."""
    return BackendFailed(f"{MOST_DELIVERIES} workers broke off this request; change it.")
