"""Two ranks: the real hazard once, in two processes; and how their reports become a story."""

from __future__ import annotations

from typing import Any

import pytest

from labs.contract.experiment import Cancelled
from labs.contract.fields import ParamError
from labs.contract.registry import words_of
from labs.q02_empty_text.two_ranks import RANK, TwoRanks, TwoRanksParams, _story
from labs.tools.rank_pair import RankStory, _in_vain, run_pair
from tests.labs.one_lab import REGISTRY

STEPS = 3
TOLD = {"steps": STEPS, "empty_at": 2, "buffers": False, "device": "cpu"}


def rank(all_reduces: list[int], weights: list[float], ended: str = "done") -> RankStory:
    reports = [{"step": step, "loss": 1.0, "weights": [weight]} for step, weight in enumerate(weights, 1)]
    return {"all_reduces": all_reduces, "reports": reports, "ended": ended, "error": ""}


def test_a_new_zero_puts_two_real_ranks_one_step_apart_and_the_last_one_waits() -> None:
    heard: list[float] = []
    ranks = run_pair(RANK, TOLD | {"guard": "disconnected_zero"}, STEPS, heard.append)
    assert [each["all_reduces"] for each in ranks] == [[1, 3], [1, 2, 3]]
    assert [each["ended"] for each in ranks] == ["done", "waits"]
    assert _story(ranks)["first_step_apart"] == 2
    # rank 0's third step and rank 1's second are the same update of the same weights
    assert ranks[0]["reports"][2]["weights"] == pytest.approx(ranks[1]["reports"][1]["weights"])
    assert heard[0] == 0 and heard == sorted(heard)


def test_a_cancel_ends_both_processes() -> None:
    def cancel(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        run_pair(RANK, TOLD | {"guard": "clamped"}, STEPS, cancel)


def test_whoever_is_in_an_all_reduce_that_the_other_never_launched_waits_in_vain() -> None:
    done, going = rank([1, 3], [0.0] * 3), rank([1, 2, 3], [0.0] * 2, ended="")
    assert _in_vain([done, going]) and _in_vain([going, done])
    assert not _in_vain([done, rank([1, 2], [0.0], ended="")])
    assert not _in_vain([rank([1], [], ended=""), rank([1, 2], [], ended="")])


def test_a_story_tells_the_first_step_apart_and_nan() -> None:
    same = _story([rank([1, 2], [0.1, 0.2]), rank([1, 2], [0.1, 0.2])])
    lost = _story([rank([1, 2], [0.1, float("nan")]), rank([1, 2], [0.1, float("nan")])])
    assert (same["first_step_apart"], same["nan_ranks"], same["distance"]) == (0, 0, [0.0, 0.0])
    assert (lost["first_step_apart"], lost["nan_ranks"], lost["distance"]) == (0, 2, [0.0, None])


def test_lines_join_the_all_reduces_that_met() -> None:
    zero = _story([rank([1, 3], [0.0, 0.0, 1.0]), rank([1, 2, 3], [0.0, 1.0], ended="waits")])
    result: dict[str, Any] = {"backend": "gloo", "steps": 3, "empty_at": 2, "buffers": False}
    shown = TwoRanks().show(result | {"disconnected_zero": zero}, words_of("q02", REGISTRY.strings("en")))
    lines = [trace for trace in shown.figures["pairing"].data if len(trace["x"]) == 2]
    assert [(trace["x"], trace["meta"]["role"]) for trace in lines] == [
        ([1, 1], "measured"),
        ([3, 2], "said"),
    ]
    assert shown.sentence == {"said": 3, "formula": 2, "measured": 2, "unit": "all-reduces"}


@pytest.mark.parametrize(("backend", "launched"), [("gloo", 1), ("NCCL", 2)])
def test_with_buffers_the_formula_counts_by_backend(backend: str, launched: int) -> None:
    zero = _story([rank([1, 3][:launched], [0.0], ended="waits"), rank([1, 2], [0.0], ended="waits")])
    result: dict[str, Any] = {"backend": backend, "steps": 6, "empty_at": 2, "buffers": True}
    shown = TwoRanks().show({**result, "disconnected_zero": zero}, lambda key, **values: key)  # type: ignore[arg-type, typeddict-item]
    assert shown.sentence is not None and shown.sentence["formula"] == launched == shown.sentence["measured"]
    assert ("note.queued" in shown.notes) == (backend == "NCCL")


def test_an_empty_batch_at_the_end_is_refused() -> None:
    with pytest.raises(ParamError, match="before step 6"):
        TwoRanksParams(empty_at=6)
