"""Texts of every kind are counted, here in bytes, and the two routers are told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.contract.fields import ParamError
from labs.q04_long_text.routing import LONGEST, RoutingParams
from tests.labs.one_lab import Run, shown


@pytest.mark.parametrize(
    "text",
    ["a", "\x00\x07", "😀👩‍👩‍👧", "混排 mixed 텍스트", "  \n\t "],
    ids=["one", "control", "emoji", "mixed", "space"],
)
def test_any_text_is_counted(result: Callable[..., dict[str, Any]], text: str) -> None:
    read = result("routing", prompt=text)
    assert (read["own"]["characters"], read["own"]["tokens"]) == (len(text), len(text.encode()))
    assert read["characters"][-1] == LONGEST
    assert all((curve[1:] >= curve[:-1]).all() for curve in read["tokens"].values())
    assert shown("q04/routing", read).notes


def test_routers_disagree_where_a_character_has_several_tokens(result: Callable[..., dict[str, Any]]) -> None:
    read = result("routing", prompt="天" * 300)
    assert (read["own"]["by_characters"], read["own"]["by_tokens"]) == (0, 1)
    assert "By tokens: the model with stretched RoPE." in shown("q04/routing", read).notes[0]
    same = result("routing", prompt="a" * 300)
    assert "Either count sends it to: the model as it is." in shown("q04/routing", same).notes[0]


def test_no_text_is_said(run: Run) -> None:
    job = run("routing", prompt="")
    assert job.state == "failed" and "There is no text" in str(job.error)


def test_a_megabyte_is_refused_in_one_sentence() -> None:
    with pytest.raises(ParamError, match="prompt has 1,000,000 characters; the most is 20,000"):
        RoutingParams(prompt="x" * 1_000_000)
