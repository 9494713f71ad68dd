"""Texts in company: how parting is counted, and that tiles compute the same model whatever the batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from labs.q08_speedup import invariance
from labs.q08_speedup.fixed_order import TiledLinear, in_tiles
from labs.q08_speedup.invariance import BATCHES, parted
from labs.tools.models import TINY, untrained
from tests.labs.one_lab import OneLab, Show
from tests.labs.q08_speedup.conftest import lively

BRIEF = invariance.PerDevice(cpu=0.01, cuda=0.01)


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    lab = OneLab("q08", "random:byte-128", smaller=[(invariance, "SECONDS", BRIEF)])
    return lab.result("invariance", prompts=9, new_tokens=4)


def test_parting_is_counted_at_the_first_other_token() -> None:
    alone = [[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    together = [[1, 2, 3], [1, 9, 3], [1, 2, 9], [1, 8, 8]]
    found = parted(alone, together, "float32", "plain", 8)
    assert (found["changed"], found["changed_percent"], found["first"]) == (3, 75.0, 1)
    assert found["by_token"] == [0.0, 50.0, 75.0]
    same = parted(alone, alone, "float32", "tiled", 8)
    assert (same["changed"], same["first"], same["by_token"]) == (0, None, [0.0] * 3)


@pytest.mark.parametrize("rows", [1, 3, 4, 9])
def test_a_product_in_tiles_is_the_product_on_shapes_that_never_change(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, x = torch.randn(5, 16, generator=generator), torch.randn(rows, 16, generator=generator)
    linear, shapes = F.linear, set()

    def noted(tile: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(tile.shape))
        return linear(tile, matrix)

    monkeypatch.setattr(F, "linear", noted)
    tiled = TiledLinear(weight, 4)(x[None])
    assert shapes == {(4, 16)} and tiled.shape == (1, rows, 5)
    torch.testing.assert_close(tiled[0], x @ weight.T)


@pytest.mark.parametrize("tied", [True, False])
def test_every_product_of_the_model_is_in_tiles(tied: bool) -> None:
    model = untrained(TINY.replace(tie_word_embeddings=tied), "cpu").eval()
    twin = in_tiles(model, 4)
    assert not [module for module in twin.modules() if isinstance(module, torch.nn.Linear)]
    assert sum(isinstance(module, TiledLinear) for module in twin.modules()) == 7 * TINY.num_layers + 1
    ids = torch.randint(0, 300, (3, 7), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(twin(ids), model(ids))


def test_a_row_alone_has_the_bits_of_a_row_in_company() -> None:
    twin = in_tiles(lively(seed=2), 4)
    ids = torch.randint(0, 300, (6, 1), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        together = twin(ids)
        alone = torch.cat([twin(row[None]) for row in ids])
    assert torch.equal(alone, together)


def test_a_result_has_every_dtype_way_and_batch(result: dict[str, Any], show: Show) -> None:
    dtypes = invariance.DTYPES.on("cpu")
    expected = [f"{d}_{way}_{batch}" for d in dtypes for way in ("plain", "tiled") for batch in BATCHES[1:]]
    assert list(result["runs"]) == expected and list(result["cost"]) == ["1", "8", "32"]
    for way, name in (("plain", "most_percent"), ("tiled", "repaired_percent")):
        shares = [run["changed_percent"] for run in result["runs"].values() if run["way"] == way]
        assert result[name] == max(shares)
    shown = show("invariance", result)
    assert [trace["y"] for trace in shown.figures["parted"].data] == [
        run["by_token"] for run in result["runs"].values()
    ]
    assert len(shown.rows) == 8
