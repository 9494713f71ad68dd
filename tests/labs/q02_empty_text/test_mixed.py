"""One row of every kind in one step: targets and shares by hand, the loss as torch's own, NaN by counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from labs.contract.fields import ParamError
from labs.q02_empty_text.mixed import LENGTH, ROWS, Mixed, MixedParams, _ordinary
from labs.q02_empty_text.row_kinds import padded
from tests.labs.one_lab import OneLab
from tests.labs.q02_empty_text.test_step import PARAMETERS

Result = Callable[..., dict[str, Any]]
NO_TARGETS = {"ordinary": 0, "zero_width": 0, "one_token": 0}
"""What is left has no target where the dataset adds nothing; a character of three bytes has, for a toy."""


def test_one_row_of_every_kind(result: Result) -> None:
    mixed = result("mixed", blanks=1)
    assert [row["kind"] for row in mixed["rows"]] == list(ROWS)
    counts = [row["targets"] for row in mixed["rows"]]
    assert (
        counts[0] == LENGTH and mixed["targets"] == sum(counts) and mixed["without"] == counts.count(0) == 3
    )
    assert [row["share"] for row in mixed["rows"]] == pytest.approx([100 * c / sum(counts) for c in counts])
    assert [row["loss"] is None for row in mixed["rows"]] == [count == 0 for count in counts]
    weighed = sum(row["targets"] * row["loss"] for row in mixed["rows"] if row["targets"]) / sum(counts)
    assert mixed["loss"] == pytest.approx(weighed, rel=1e-5), "the printed loss is the mean over all targets"


def test_an_ordinary_row_has_the_loss_that_torch_gives_it_alone(result: Result, lab: OneLab) -> None:
    loaded = lab.client._host.model("random:toy")
    ids, mask = (torch.tensor(rows) for rows in padded(_ordinary(loaded, 1), loaded.config.pad_id, LENGTH))
    with torch.no_grad():
        own = F.cross_entropy(loaded.model(ids[:, :-1])[0].float()[mask[0] > 0], ids[0, 1:][mask[0] > 0])
    assert result("mixed")["rows"][0]["loss"] == pytest.approx(float(own), rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "nan", "printed"),
    [
        ({}, 0, True),
        ({"formula": "per_sample"}, PARAMETERS, False),
        (NO_TARGETS, PARAMETERS, False),
        ({**NO_TARGETS, "formula": "ignore_index"}, 0, False),
        ({**NO_TARGETS, "formula": "clamped"}, 0, True),
        ({**NO_TARGETS, "precision": "fp16"}, 0, False),
        ({**NO_TARGETS, "dataset": "with_specials"}, 0, True),
    ],
    ids=str,
)
def test_the_step_kills_what_counting_says(
    result: Result, settings: dict[str, Any], nan: int, printed: bool
) -> None:
    mixed = result("mixed", **settings)
    assert mixed["nan"] == mixed["counted"] == nan and mixed["parameters"] == PARAMETERS
    assert (mixed["loss"] is not None) == printed
    assert (mixed["next_loss"] is None) == (nan > 0), "a dead model stays dead"


def test_a_mean_of_rows_gives_each_row_the_same_share_and_an_empty_one_none(
    result: Result, lab: OneLab
) -> None:
    mixed = result("mixed", formula="per_sample")
    shares = [row["share"] for row in mixed["rows"]]
    assert shares == [pytest.approx(100 / 6) if row["targets"] else None for row in mixed["rows"]]
    crosses = [
        trace for trace in lab.show("mixed", mixed).figures["shares"].data if trace["type"] == "scatter"
    ]
    assert [len(trace["y"]) for trace in crosses] == [3]


def test_the_26m_by_counting() -> None:
    assert Mixed().formula(MixedParams()) == {"without": 4, "nan": 0}
    assert Mixed().formula(MixedParams(**NO_TARGETS)) == {"without": 3, "nan": 25_829_888}


def test_a_batch_without_rows_is_refused() -> None:
    with pytest.raises(ParamError, match="A batch needs at least one row"):
        MixedParams.from_dict(dict.fromkeys(ROWS, 0))
