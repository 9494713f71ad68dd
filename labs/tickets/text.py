"""A ticket as a short text that people read aloud and type: question, edition, seed, a check of all three.

    Q06-7H-04K7-Q1

The letters are those of Crockford's base 32 (2002), which has no I, L, O and U; small letters, spaces and
hyphens do not matter, and what looks like a 0 or 1 is one. The check is the rest of all else, read as one
number, by a prime. A mistyped sign changes the number by d * 32^k, two exchanged ones by a multiple of
(a - b) * 32^k * (32^m - 1): the prime divides neither, so both are found always.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from minimind_core.errors import ConfigError, shortened

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EDITION_SIGNS, SEED_SIGNS, CHECK_SIGNS = 2, 4, 2
CHECK_PRIME = 1021
"""The largest prime that two signs can hold; the order of 32 modulo it, 68, is above a ticket's signs."""
_TICKET = re.compile(rf"Q([0-9]{{2}})([{ALPHABET}]{{2}})([{ALPHABET}]{{4}})([{ALPHABET}]{{2}})")
_EXAMPLE = "Q06-7H-04K7-Q1"


class TicketError(ConfigError):
    """A ticket that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Parts:
    """What a ticket's text says. `question` is a key such as "q06"; `edition` are two signs."""

    question: str
    edition: str
    seed: int


def written(parts: Parts) -> str:
    """The text of a ticket.

    >>> written(Parts("q06", "7H", 4711))
    'Q06-7H-04K7-Q1'
    """
    pieces = [parts.question.upper(), parts.edition, encoded(parts.seed, SEED_SIGNS)]
    return "-".join([*pieces, _check("".join(pieces))])


def parsed(text: str) -> Parts:
    """What a typed ticket says. Raises TicketError for what is none, and for a typing mistake."""
    narrow = unicodedata.normalize("NFKC", text)  # an input method for Chinese may write full-width signs
    typed = re.sub(r"[\s\-‐-―]", "", narrow.upper())
    body = typed[:1] + typed[1:].translate(str.maketrans("OIL", "011"))
    found = _TICKET.fullmatch(body)
    if not found:
        raise TicketError(
            f"{shortened(text, 40)!r} is no ticket: it has eleven letters and digits, such as {_EXAMPLE}.",
            key="ticket.none",
            given=shortened(text, 40),
            example=_EXAMPLE,
        )
    number, edition, seed, check = found.groups()
    if check != _check(body[:-CHECK_SIGNS]):
        raise TicketError(
            f"{shortened(text, 40)!r} has a typing mistake: compare it with the ticket, letter by letter.",
            key="ticket.mistyped",
            given=shortened(text, 40),
        )
    return Parts(f"q{number}", edition, _decoded(seed))


def encoded(number: int, signs: int) -> str:
    """A number below 32 ** signs in so many signs."""
    return "".join(ALPHABET[number // 32**place % 32] for place in reversed(range(signs)))


def _decoded(text: str) -> int:
    number = 0
    for sign in text:
        number = number * 32 + ALPHABET.index(sign)
    return number


def _check(body: str) -> str:
    return encoded(_decoded(body) % CHECK_PRIME, CHECK_SIGNS)
