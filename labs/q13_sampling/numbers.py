"""By which runs of Question 13 are compared."""

from __future__ import annotations

from labs.contract.columns import Result, Text


def wall(result: Result, text: Text) -> dict[str, float]:
    """Diversity of all texts together, repetition within each, and how likely the model alone finds them."""
    return {
        text("q13.axis.distinct"): result["distinct"],
        text("q13.axis.repetition"): result["repetition"],
        text("q13.axis.log_probability"): result["log_probability"],
    }


def grid(result: Result, text: Text) -> dict[str, float]:
    """Valid Python at each starting point."""
    return {
        f"{text('q13.grid.valid')}, {text(f'q13.task.{task}')}": cell["python"]["valid"]
        for task, cell in result["presets"].items()
    }


def confidence(result: Result, text: Text) -> dict[str, float]:
    """Tokens kept on average, by model."""
    return {
        f"{text('q13.mean_kept')}, {text(f'q13.model.{name}')}": model["mean_kept"]
        for name, model in result["models"].items()
    }


def bugs(result: Result, text: Text) -> dict[str, float]:
    """Rows lost to the wrong index, and what one sum for the batch does to a log-probability."""
    return {
        text("q13.bugs.wiped_rows"): result["wiped_rows"],
        text("q13.bugs.shift"): result["log_probability_shift"],
    }
