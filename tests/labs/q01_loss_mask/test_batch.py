"""The workbench: counts, losses against torch's own, fillers, and every text that it has to refuse."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labs.contract import ParamError, Words
from labs.q01_loss_mask import labels
from labs.q01_loss_mask.batch import Batch, BatchParams
from labs.q01_loss_mask.rows import make_rows, mask_of
from labs.q01_loss_mask.sentences import SENTENCES
from labs.q01_loss_mask.toys import LENGTH, TOYS, framing
from labs.q01_loss_mask.typed_rows import split
from labs.runner.inline import InlineClient
from tests.labs.one_lab import Run

IDS = {"rows": "101 102 103; 201 202 203 204 205", "rows_are": "ids", "specials": False, "max_length": 5}
Refused = Callable[..., str]


def test_the_batch_of_the_question_has_six_targets(run: Run) -> None:
    result = run("batch", **IDS)
    assert (result["targets"], result["pairs"], result["formula_targets"]) == (6, 8, 6)
    assert result["view"]["counts"] == {
        "y": 6,
        "x": 7,
        "by_id": 6,
        "none": 8,
        "after_mean": 8,
        "double_shift": 4,
    }
    params = BatchParams(**IDS)  # type: ignore[arg-type]
    formula = Batch().formula(params)
    assert Batch().complete(params, formula) == {"targets": 6}, "a prediction is answered by it"  # type: ignore[arg-type]
    assert Batch().formula(BatchParams()) is None


def test_losses_are_those_of_an_ordinary_forward(run: Run, client: InlineClient) -> None:
    result = run("batch", rows="Hello there; Hi", max_length=14)
    model = client._host.model("random:byte-128").model
    ids = torch.tensor(result["ids"]).long()
    with torch.inference_mode():
        logits = model(ids)
    mask = torch.tensor(result["real"][:, 1:]).bool()
    labels = ids[:, 1:].masked_fill(~mask, -100)
    expected = float(F.cross_entropy(logits[:, :-1].flatten(0, 1), labels.flatten()))
    assert result["masked"] == pytest.approx(expected, abs=1e-5)
    assert result["ignore_index"] == pytest.approx(expected, abs=1e-5)
    assert result["view"]["reported"] == pytest.approx(expected, abs=1e-5)
    skipping = F.cross_entropy(logits[0, :-2], ids[0, 2:], reduction="none")
    np.testing.assert_allclose(result["skipping"][0], skipping, atol=1e-5)
    assert result["view"]["by_rule"]["after_mean"] == result["view"]["by_rule"]["none"]


WITH_PAD_INSIDE = {"rows": "101 0 103; 7; 8 9", "rows_are": "ids"}


@pytest.mark.parametrize(
    "settings", [{}, {"pad_is_eos": True}, {"pad_side": "left"}, WITH_PAD_INSIDE], ids=str
)
def test_labels_of_minus_100_lose_what_the_mask_loses_to_the_last_bit(
    run: Run, client: InlineClient, settings: dict[str, Any]
) -> None:
    result = run("batch", **{"rows": "Hello there; Hi; a longer one", "max_length": 18, **settings})
    assert result["unequal"] == 0
    assert result["masked"] == result["ignore_index"], "not close to: the same number"
    notes = Batch().show(result, str_words).notes
    assert sum(note.startswith("batch.labels {'unequal': 0, 'pairs': 51, 'diff") for note in notes) == 1
    model = client._host.model("random:byte-128").model
    ids = torch.tensor(result["ids"]).long()
    ignoring = ids.masked_fill(~torch.tensor(result["real"]).bool(), -100)
    with torch.inference_mode():
        shifted = model(ids)[:, :-1].flatten(0, 1)
    by_torch = F.cross_entropy(shifted, ignoring[:, 1:].flatten())
    assert result["ignore_index"] == pytest.approx(float(by_torch), rel=1e-5)


def test_a_pair_that_differs_in_one_bit_is_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = labels.losses_by_label

    def off_by_a_bit(*given: Any) -> torch.Tensor:
        losses = exact(*given)
        losses[0] = torch.nextafter(losses[0], losses[0] + 1)
        return losses

    monkeypatch.setattr(labels, "losses_by_label", off_by_a_bit)
    result = run("batch", rows="Hello there; Hi; a text", max_length=17)
    assert result["unequal"] == 3, "the first pair of each row"


def test_targets_are_the_inputs_one_place_on(run: Run) -> None:
    result = run("batch", rows="今天天气很好; a<b> \x07 \U0001f600", max_length=32)
    assert result["pieces"][0][0] == "BOS" and result["pieces"][0][-1] == "PAD"
    assert "\x07" not in "".join(result["pieces"][1]) and "\\x07" in result["pieces"][1]
    figure = Batch().show(result, str_words).figures["pairs"]
    drawn = figure.data[-1]["text"]
    assert any("&lt;" in cell for cell in drawn)
    first = Batch().show(result, str_words).rows[:31]
    assert all(one["Y"] == other["X"] for one, other in itertools.pairwise(first))


def str_words(key: str, **values: object) -> str:
    return f"{key} {values}" if values else key


def test_only_padding_on_the_left_is_noticed_by_real_tokens(run: Run) -> None:
    right, left = (run("batch", **IDS, pad_side=side) for side in ("right", "left"))
    assert right["filler_change"] < 1e-5 < 1e-3 < left["filler_change"]
    assert left["targets"] == 7 and left["formula_targets"] == 6
    said = [" ".join(Batch().show(result, str_words).notes) for result in (right, left)]
    assert "batch.left" not in said[0] and "batch.left {'more': 1}" in said[1]


def test_a_longer_row_adds_targets_only_to_a_text_that_was_cut(run: Run) -> None:
    typed = {"rows": "Hello there; Hi"}
    for length, cut in ((8, True), (20, False)):
        shorter, longer = (run("batch", **typed, max_length=length + more) for more in (0, 4))
        assert (longer["targets"] > shorter["targets"]) == cut
        first = Batch().show(shorter, str_words).notes[0]
        assert first == str_words("batch.sentence", change=f"batch.change{'_cut' if cut else ''}")


def test_pad_as_eos_and_the_rule_only_choose_among_the_losses(run: Run, text: Words) -> None:
    result = run("batch", rows="ab; abcd", max_length=8, pad_is_eos=True, mask="by_id", mean="sample")
    view = result["view"]
    assert view["counts"]["y"] - view["counts"]["by_id"] == 2 and view["count"] == view["mask"].sum()
    shown = Batch().show(result, text)
    assert list(shown.figures) == ["pairs", "rules", "parts"]
    assert shown.sentence is not None and shown.sentence["said"] == 14
    assert "EOS" in {row["Y"] for row in shown.rows}


def test_a_fresh_model_guesses_evenly(run: Run) -> None:
    result = run("batch", rows="Hello there", weights="fresh")
    assert abs(result["masked"] - np.log(259)) < 0.7


def test_it_says_what_is_wrong_with_a_text(refused: Refused) -> None:
    assert refused("batch", rows="", specials=False) == "0 tokens: no target exists. See Q2."
    alone = "One token has nothing to predict; write more, or add BOS and EOS."
    assert refused("batch", rows="a", specials=False) == alone
    assert refused("batch", rows="5 9999", rows_are="ids").startswith("There is no token 9999; ")


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"max_length": 2}, "q01.no_room"),
        ({"rows": ";".join("abcdefghi")}, "q01.many_texts"),
        ({"rows": "1 two 3", "rows_are": "ids"}, "q01.no_id"),
        ({"rows": "x" * 1_000_000}, "param.long"),
        ({"max_length": 513}, "param.high"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_a_run(values: dict[str, object], key: str) -> None:
    with pytest.raises(ParamError) as refusal:
        BatchParams.from_dict(values)
    assert refusal.value.key == key


def test_the_table_has_the_ids_of_every_pair(run: Run, text: Words) -> None:
    result = run("batch", rows="Hello there", max_length=16, mask="double_shift")
    row, ids = Batch().show(result, text).rows[0], result["ids"][0]
    assert row[text("ids")] == f"{ids[0]} → {ids[2]}", "shifted twice, the target is the id after the next"


def test_notes_say_what_was_cut_and_what_has_no_target(run: Run, text: Words) -> None:
    notes = Batch().show(run("batch", rows="abcdefghij; a", specials=False, max_length=6), text).notes
    assert any("cut at 6 ids" in note for note in notes) and any("in text 2:" in note for note in notes)
    assert run("batch", rows="", specials=True)["targets"] == 1  # EOS after BOS


def test_a_mask_that_keeps_nothing_says_that_the_denominator_is_zero(run: Run, text: Words) -> None:
    settings = {"rows": "5 6; 7 8", "rows_are": "ids", "specials": False}
    for mask, said in (("double_shift", True), ("y", False)):
        result = run("batch", **settings, mask=mask)
        assert (result["view"]["reported"] is None) == said == (result["view"]["count"] == 0)
        shown = Batch().show(result, text)
        assert any("denominator is 0" in note for note in shown.notes) == said
        assert any(bar.get("text") == [" NaN"] for bar in shown.figures["rules"].data), "drawn for any mask"


def test_semicolons_of_both_kinds_part_texts_and_the_last_may_end_in_one() -> None:
    assert split("a ; b；c;") == ["a", "b", "c"] and split("") == [""] and split("a;;b") == ["a", "", "b"]


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_reads_the_batch_and_reports_what_its_training_printed(
    name: str, run: Run, client: InlineClient, text: Words
) -> None:
    """Where the workbench is set as the toy was trained."""
    toy, loaded = TOYS[name], client._host.model(name)
    eight = [sentence.replace(";", ",") for sentence in SENTENCES[:8]]
    as_trained: dict[str, Any] = {"specials": toy.specials, "pad_is_eos": toy.pad_is_eos, "mask": toy.rule}
    result = run("batch", rows=";".join(eight), weights=name, max_length=LENGTH, **as_trained)
    rows = make_rows(loaded.tokenizer.encode_batch(eight), framing(toy, loaded))
    assert result["ids"].tolist() == rows.ids.tolist()
    ids = torch.tensor(rows.ids).long()
    with torch.inference_mode():
        logits = loaded.model(ids)
    losses = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    own = torch.tensor(mask_of(toy.rule, rows, framing(toy, loaded).pad_id))
    assert result["view"]["reported"] == pytest.approx(float(losses.view_as(own)[own].mean()), abs=1e-4)
    (said,) = [note for note in Batch().show(result, text).notes if "toy model" in note]
    assert text(f"specimen.{name}") in said


def test_the_shipped_model_is_no_toy(run: Run, text: Words) -> None:
    assert not [note for note in Batch().show(run("batch", **IDS), text).notes if "toy" in note]
