"""The text of a ticket: what is typed is read, and every single mistake is found."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labs.tickets import MOST_SEEDS, TicketError
from labs.tickets.text import ALPHABET, Parts, parsed, written

PARTS = st.builds(
    Parts,
    question=st.integers(1, 99).map(lambda number: f"q{number:02d}"),
    edition=st.text(ALPHABET, min_size=2, max_size=2),
    seed=st.integers(0, MOST_SEEDS - 1),
)
EXAMPLE = "Q06-7H-04K7-Q1"


@given(PARTS)
def test_what_is_written_is_read(parts: Parts) -> None:
    text = written(parts)
    assert parsed(text) == parts
    assert parsed(f" {text.lower().replace('-', ' ')}\n") == parts


def test_signs_that_look_alike_are_one() -> None:
    assert parsed(EXAMPLE) == parsed("qO6 7h o4k7 q1") == Parts("q06", "7H", 4711)


def test_full_width_signs_are_the_narrow_ones() -> None:
    assert parsed("Ｑ０６－７Ｈ－０４Ｋ７－Ｑ１") == parsed(EXAMPLE)


@given(st.text(st.characters(categories=["Nd"]), min_size=2, max_size=2))
def test_digits_of_another_script_are_no_error_of_ours(digits: str) -> None:
    try:
        assert parsed(f"Q{digits}{EXAMPLE[3:]}") == parsed(EXAMPLE)
    except TicketError:
        assert unicodedata.normalize("NFKC", digits) != "06"


@given(PARTS, st.data())
def test_one_wrong_sign_is_found(parts: Parts, data: st.DataObject) -> None:
    text = written(parts).replace("-", "")
    place = data.draw(st.integers(1, len(text) - 1))
    wrong = data.draw(st.sampled_from([sign for sign in ALPHABET if sign != text[place]]))
    with pytest.raises(TicketError):
        parsed(text[:place] + wrong + text[place + 1 :])


@given(PARTS)
def test_two_exchanged_signs_are_found(parts: Parts) -> None:
    text = written(parts).replace("-", "")
    for first, second in itertools.combinations(range(1, len(text)), 2):
        signs = list(text)
        signs[first], signs[second] = signs[second], signs[first]
        if (exchanged := "".join(signs)) != text:
            with pytest.raises(TicketError):
                parsed(exchanged)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "ticket.none"),
        ("hello", "ticket.none"),
        ("Q06-7H-04K7", "ticket.none"),
        ("Q06-7H-04K7-Q19", "ticket.none"),
        ("Q06-7H-04K7-Q0", "ticket.mistyped"),
        ("𝟘" * 11, "ticket.none"),
        ("Q06-7H-04K7-2\ud800", "ticket.none"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, key: str) -> None:
    with pytest.raises(TicketError) as caught:
        parsed(text)
    assert caught.value.key == key and str(caught.value).count(". ") == 0
