"""The exact numbers of Question 13, row by row."""

from __future__ import annotations

from labs.contract.columns import Result, Row, Text
from labs.q13_sampling.figures_texts import shown


def manual(result: Result, text: Text) -> list[Row]:
    """A row a number, from the most likely down."""
    view = result["view"]
    columns = (("q13.typed", "alone"), ("q13.before", "before"), ("q13.final", "probabilities"))
    return [
        {text("q13.number"): name, **{text(label): f"{view[key][place]:.5f}" for label, key in columns}}
        for place, name in enumerate(view["texts"])
    ]


def bugs(result: Result, text: Text) -> list[Row]:
    """Every call that was made, and what came of it."""
    return [
        {
            text("q13.bugs.bug"): text(f"q13.bugs.{case['bug']}"),
            text("q13.bugs.call"): text(f"q13.bugs.case.{case['case']}"),
            text("q13.bugs.shape"): str(case["input"]),
            text("q13.bugs.outcome"): ": ".join(filter(None, (case["outcome"], case["said"]))),
        }
        for case in result["cases"]
    ]


def wall(result: Result, text: Text) -> list[Row]:
    """A row a text."""
    return [
        {
            text("q13.text"): shown(sample["text"]),
            text("q13.axis.distinct"): sample["distinct"],
            text("q13.axis.repetition"): sample["repetition"],
            text("q13.axis.log_probability"): sample["log_probability"],
        }
        for sample in result["samples"]
    ]


def grid(result: Result, text: Text) -> list[Row]:
    """A row a cell; shares are 0 to 1."""
    tasks = {
        (cell["temperature"], cell["top_p"]): text(f"q13.task.{task}")
        for task, cell in result["presets"].items()
    }
    rows: list[Row] = []
    for cell in result["cells"]:
        python, prose = cell["python"], cell["prose"]
        rows.append(
            {
                text("q13.axis.temperature"): cell["temperature"],
                text("q13.axis.top_p"): cell["top_p"],
                text("q13.grid.start"): tasks.get((cell["temperature"], cell["top_p"]), ""),
                text("q13.grid.valid"): python["valid"],
                text("q13.grid.python.repetition"): python["repetition"],
                text("q13.grid.python.distinct"): python["distinct"],
                text("q13.grid.repetition"): prose["repetition"],
                text("q13.grid.distinct"): prose["distinct"],
            }
        )
    return rows


def confidence(result: Result, text: Text) -> list[Row]:
    """A row a model."""
    return [
        {
            text("q13.model"): text(f"q13.model.{name}"),
            text("q13.mean_kept"): model["mean_kept"],
            text("q13.median_kept"): model["median_kept"],
            text("q13.axis.entropy"): model["mean_entropy"],
            text("q13.vocab_size"): model["vocab_size"],
        }
        for name, model in result["models"].items()
    ]
