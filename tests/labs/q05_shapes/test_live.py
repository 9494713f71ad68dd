"""What is drawn while a run is under way: after every single piece that it sends."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pytest

from labs.contract import Words
from labs.runner.inline import InlineClient
from tests.labs.one_lab import REGISTRY

GROWING: dict[str, dict[str, Any]] = {
    "knockout": {"tokens": 32, "windows": 1},
    "residual": {"tokens": 16},
    "qk_norm": {"text": "abc"},
}


@pytest.mark.parametrize("name", GROWING)
def test_every_piece_can_be_drawn(name: str, client: InlineClient, text: Words) -> None:
    job = client.submit(f"q05/{name}", GROWING[name])
    assert job.params is not None and len(job.partials) > 2, job.error
    experiment = REGISTRY.find(f"q05/{name}")
    for count in range(1, len(job.partials) + 1):
        result = experiment.so_far(job.params, job.partials[:count])
        for figure in experiment.show(result, text).figures.values():
            go.Figure(figure.to_dict())
    assert result == job.result


def test_the_first_pieces_of_long_runs_can_be_drawn(text: Words) -> None:
    counted = {"path": "counted", "length": 1, "count": 51_658_752}
    loss = {"head": "tied", "std": 0.01, "loss": 8.8}
    for name, partial in (("flops", counted), ("first_loss", loss)):
        experiment = REGISTRY.find(f"q05/{name}")
        shown = experiment.show(experiment.so_far(experiment.params(), [partial]), text)
        assert shown.figures and shown.sentence is None
        for figure in shown.figures.values():
            go.Figure(figure.to_dict())
