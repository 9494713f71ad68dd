"""The main numbers of Question 10's results, by which pinned runs are compared. No torch."""

from __future__ import annotations

from labs.contract.columns import Result, Text


def window(result: Result, text: Text) -> dict[str, float]:
    """Shares of gradient elements at the setting, in percent."""
    return {
        f"{text(f'q10.kind.{kind}')} (%)": 100 * result["view"]["shares"][kind]
        for kind in ("zero", "subnormal", "overflow")
    }


def scaler(result: Result, text: Text) -> dict[str, float]:
    """Skipped steps and the scale that is left."""
    return {text("q10.skipped"): result["skipped_steps"], text("q10.axis.scale"): result["last_scale"]}


def duel(result: Result, text: Text) -> dict[str, float]:
    """The loss at the end of each training."""
    return {
        f"{text(f'q10.arm.{name}')}, {text('q10.axis.loss')}": loss
        for name, loss in result["final_loss"].items()
    }


def memory(result: Result, text: Text) -> dict[str, float]:
    """What FP16 autocast saves of the chosen micro-batch."""
    return {text("q10.axis.saved"): result["chosen"]["saved_percent"]}


def speed(result: Result, text: Text) -> dict[str, float]:
    """Milliseconds of a step with the large batch."""
    times = result["large_batch"]["milliseconds"]
    return {f"{text(f'q10.way.{way}')} (ms)": time for way, time in times.items()}
