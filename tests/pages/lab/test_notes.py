"""The notes of labs are templates of ours: their own signs act, those of the values in them do not."""

from __future__ import annotations

from typing import Any

import pytest

from labs.claims.recordings import paths_of
from labs.contract import Experiment, jsonable
from labs.contract.registry import Registry
from pages.ui.lab import charts
from pages.ui.words.i18n import words_of_lab
from pages.ui.words.markdown import Filled

REGISTRY = Registry.discover()


@pytest.mark.parametrize("experiment", REGISTRY.of_questions(), ids=lambda experiment: experiment.id)
def test_every_note_of_a_recorded_run_is_a_filled_template(
    experiment: Experiment[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.session_state", {"lang": "en"})
    for path in paths_of(experiment.id):
        record = jsonable.loads(path.read_bytes())
        result = experiment.complete(experiment.params.from_dict(record["params"]), record["result"])
        notes = experiment.show(result, words_of_lab(experiment.lab)).notes
        assert all(isinstance(note, Filled) for note in notes), (
            "put it together in the catalogue, not in code"
        )


def test_a_plot_leads_nowhere() -> None:
    assert charts.without_links('{"text": "<b>a</b><A href=\\"//evil\\">b</A><br>"}') == (
        '{"text": "<b>a</b>&lt;A href=\\"//evil\\">b&lt;/A><br>"}'
    )
