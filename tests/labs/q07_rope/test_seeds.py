"""Kinds of positions over seeds: what a reader sees. The trainings are in tests/labs/tools/test_seeds.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labs.claims import recordings
from labs.contract import Shown
from labs.q07_rope.seeds import POSITIONS
from labs.tools.seeds.judging import judged

NAMES = dict(zip(POSITIONS, ("RoPE", "ALiBi", "sinusoidal", "learned", "no positions"), strict=True))


@pytest.fixture(params=["", "/size-minimind-26m"])
def result(request: pytest.FixtureRequest) -> dict[str, Any]:
    record = recordings.recorded(f"q07/seeds{request.param}")[0]
    return dict(record["result"])


def test_growth_is_shown_for_every_kind_and_seed(
    result: dict[str, Any], show: Callable[[str, Any], Shown]
) -> None:
    shown = show("seeds", result)
    lines = shown.figures["growth"].data
    assert [line["hovertemplate"].partition("<br>")[0] for line in lines] == list(NAMES.values())
    for kind, line in zip(POSITIONS, lines, strict=True):
        seeds = result["growth"][kind]
        assert line["x"] == [512, 1024, 2048, None] * len(seeds)
        assert line["y"] == [value for by_length in seeds for value in (*by_length.values(), None)]
    rows = {row["kind"]: row for row in shown.rows}
    assert list(rows) == list(NAMES.values())
    for kind, name in NAMES.items():
        longest = [by_length["2048"] for by_length in result["growth"][kind]]
        assert rows[name]["growth to 2,048 tokens"] == f"{min(longest):.3g}–{max(longest):.3g}"
        assert shown.numbers[name] == pytest.approx(sum(result["loss"][kind]) / len(longest))
    of_loss, of_growth, *conditions = shown.notes
    assert of_loss.startswith("Loss in chunks of 512 tokens. ALiBi is ahead")
    assert of_growth.startswith("Growth to chunks of 2,048 tokens. ALiBi is ahead")
    tied = judged({kind: [1.0, 2.0] for kind in POSITIONS})
    undecided = show("seeds", {**result, "judged_growth": tied}).notes
    assert undecided[0] == of_loss and undecided[1].startswith("Growth to chunks of 2,048 tokens. Unresolved")
    assert len(conditions) == 1 and conditions[0].startswith("15 models of")
