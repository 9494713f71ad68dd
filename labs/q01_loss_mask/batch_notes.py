"""What is said below a batch: its rule, and what holds for these texts and would not for others. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.contract import Words
from labs.q01_loss_mask.toys import LENGTH, TOYS
from labs.tools.written import small_number


def notes(result: Mapping[str, Any], text: Words) -> list[str]:
    """The three numbers first, then the rule, then what is special about these texts."""
    view, length, cut = result["view"], result["ids"].shape[1], any(result["cut"])
    change = text("batch.change_cut" if cut else "batch.change")
    said = [text("batch.sentence", change=change), text(f"batch.rule.{view['rule']}")]
    if more := result["targets"] - result["formula_targets"]:
        said.append(text("batch.left", more=more))
    if "unequal" in result and view["rule"] == "y":
        facts = {"unequal": result["unequal"], "pairs": result["pairs"]}
        apart = small_number(abs(result["masked"] - result["ignore_index"]))
        said.append(text("batch.labels", **facts, difference=apart))
    if not view["count"]:
        said.append(text("batch.undefined"))
    if cut:
        said.append(text("batch.cut", length=length))
    if lone := [str(row) for row, own in enumerate(result["lengths"], 1) if own < 2]:
        said.append(text("batch.lone", rows=", ".join(lone)))
    if view["weights"] in TOYS:
        said.append(text("batch.toy", toy=text(f"specimen.{view['weights']}"), trained=LENGTH))
    if min(result["lengths"]) < length:
        said.append(text("batch.filler", change=small_number(result["filler_change"])))
    return said
