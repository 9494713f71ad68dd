"""What a measured claim concludes holds in every recorded run, on whichever device it was made.

A claim's check compares one number with the recording; the words around that number are held here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from labs.claims.recordings import recorded
from labs.claims.verdicts import read_claim
from labs.contract.registry import Registry
from labs.q04_long_text.recall_sizes import BINS, CHANCE, SURE
from questions import Claim, load_questions

Result = Any
Conclusion = Callable[[Result, bool], bool]
"""Of a recorded result, and whether a GPU made it."""
REGISTRY = Registry.discover()
MEASURED = [claim for question in load_questions() for claim in question.claims if claim.measures]


def rises(values: Any) -> bool:
    """Each number above the one before."""
    return all(before < after for before, after in itertools.pairwise(values))


def extrapolated(r: Result, _gpu: bool) -> bool:
    """Doing nothing loses more the further it goes, YaRN far less, and about as much at every length."""
    lost = {
        way: [r["perplexity"][way][n] / r["perplexity"]["window"][n] for n in r["perplexity"]["window"]]
        for way in ("none", "yarn")
    }
    even = max(lost["yarn"]) / min(lost["yarn"]) < 1.1
    return rises(lost["none"]) and even and lost["yarn"][-1] - 1 < (lost["none"][-1] - 1) / 5


def interpolated(r: Result, _gpu: bool) -> bool:
    """The mean over twice the length is no better than untouched; its end is."""
    mean = r["scaled"]["pi"]["1024"] >= 0.95 * r["growth"]["rope"]["1024"]
    return mean and r["tail"]["pi"]["1024"] < r["tail"]["rope"]["1024"]


def converted(r: Result, _gpu: bool) -> bool:
    """The fewer heads, the worse; a short training recovers much, not all."""
    merged = [r["perplexity"][heads] for heads in ("4", "2", "1")]
    untouched = r["perplexity"]["8"]["before"]
    recovered = all(untouched < p["after"] < p["before"] / 3 for p in merged)
    return rises(p["before"] for p in merged) and recovered


def shared_heads(r: Result, gpu: bool) -> bool:
    """Little at batch 1; on a GPU most at the largest batch, and not evenly on the way there."""
    gains = list(r["speedup"]["gqa"].values())
    few_users = gains[0] < 1.5 < gains[-1] < r["byte_model"]["speedup"]["gqa"]["1024"]
    return few_users and (not gpu or not rises(gains))


def looked_at(r: Result, _gpu: bool) -> bool:
    """The loss alone costs next to nothing, every tensor far more, anomaly mode most."""
    slow = r["slowdown"]
    return (
        abs(slow["loss"] - 1) < 0.1
        and min(slow["deferred"], slow["hooks"]) > 1.2
        and slow["anomaly"] == max(slow.values())
    )


def first_losses(r: Result, _gpu: bool) -> bool:
    """Near a uniform guess at 0.02; at 1 far above, and sure of the token just read."""
    near = abs(r["tied"]["std_0_02"] - r["uniform"]) < 0.5
    return near and r["tied"]["std_1"] > 20 * r["uniform"] and r["repeats_percent"]["std_1"] > 99


def rates(r: Result, _gpu: bool) -> bool:
    """FP16 and SGD end in NaN at rates that AdamW in FP32 survives, and SGD within a few steps."""
    largest, first_bad = r["largest_finite_rate"], r["first_bad_step"]["sgd"]
    sooner = max(largest["sgd"], largest["adamw_fp16"]) < largest["adamw"]
    return sooner and 0 < max(first_bad) < 20


def cached(r: Result, gpu: bool) -> bool:
    """Much on a CPU and little on a GPU, where it spares no launch."""
    rungs, gain = r["rungs"], r["speedup"]["cache"]
    spared = rungs["cache"]["operations"] < rungs["none"]["operations"]
    return not spared and (gain < 1.5 if gpu else gain > 5)


def drafted(r: Result, _gpu: bool) -> bool:
    """Verifying costs more than a step; one drafted token gains a little, and several less or nothing."""
    gains = [r["speedup"][str(count)] for count in range(1, 17)]
    return r["verify_ratio"] > 1.3 and 1 < gains[0] < 1.3 and rises(reversed(gains)) and gains[4] < 1


CONCLUSIONS: dict[str, Conclusion] = {
    "Q1-C7": lambda r, _: (
        r["padding_after_text"]["with_eos"] < 0.01 < 0.9 < r["padding_after_text"]["without_eos"]
    ),
    "Q1-C20": lambda r, _: abs(r["specimens"]["toy-unmasked"]["text_percent"] - 20) < 5,
    "Q1-C21": lambda r, _: r["specimens"]["toy-pad-is-eos"]["stop_percent"] == 0,
    "Q2-C11": lambda r, _: (
        r["disconnected_zero"]["distance"][-1] > r["disconnected_zero"]["distance"][0] == 0
    ),
    "Q3-C6": lambda r, _: 1 < r["length_factor"]["small"] < 1.8,
    "Q3-C7": lambda r, _: (
        0.7 < r["length_factor"]["large"] < 0.8
        and r["length_factor"]["small"] - 1 > 1 - r["length_factor"]["large"]
    ),
    "Q3-C17": lambda r, _: 1 < r["characters_per_token"]["zh"] < 1.5,
    "Q3-C18": lambda r, _: 50 < r["rare_rows_percent"]["ours"] < 90 < r["rare_rows_percent"]["large"],
    "Q4-C14": extrapolated,
    "Q4-C15": lambda r, _: r["short_increase_percent"]["yarn"] > 3,
    "Q4-C21": lambda r, _: r["short_increase_percent"]["pi"] > 100,
    "Q4-C28": lambda r, _: r["perplexity"]["local"] < min(r["perplexity"]["sinks"], r["perplexity"]["full"]),
    "Q6-C9": lambda r, _: r["verdict"] == "unresolved",
    "Q6-C11": shared_heads,
    "Q6-C18": shared_heads,
    "Q6-C24": converted,
    "Q7-C8": lambda r, _: (
        r["growth"]["rope"]["2048"] > 3 and r["tail"]["rope"]["2048"] > r["tail"]["rope"]["512"]
    ),
    "Q7-C9": lambda r, _: r["window"]["growth"]["2048"] < 1.05,
    "Q7-C15": lambda r, _: r["against_rope"]["learned"]["512"] > 1,
    "Q7-C16": interpolated,
    "Q7-C24": lambda r, _: r["scaled"]["yarn"]["2048"] < 1.1,
    "Q7-C25": lambda r, _: r["growth"]["alibi"]["2048"] < 1.05,
    "Q7-C26": interpolated,
    "Q7-C27": lambda r, _: r["tail"]["rope"]["1024"] > 5 * r["tail"]["rope"]["512"],
    "Q7-C31": lambda r, _: r["scaled"]["upstream"]["512"] > 1.05,
    "Q8-C1": cached,
    "Q8-C3": lambda r, _: rises([r["speedup"][length] for length in ("256", "512", "1024", "2048")]),
    "Q8-C7": lambda r, _: (
        abs(r["rise_percent"]["int8"]) < 0.2 < r["rise_percent"]["int4_group"] < r["rise_percent"]["int4_row"]
    ),
    "Q8-C13": drafted,
    "Q8-C17": lambda r, gpu: r["speedup"]["fused"] > 2 if gpu else r["speedup"]["fused"] < 1.1,
    "Q8-C24": lambda r, _: r["speedup"]["top"] > 10,
    "Q9-C21": lambda r, _: (
        r["gradients"]["loss"]["relative_error"] > 0.1 > r["gradients"]["tokens"]["relative_error"]
    ),
    "Q9-C28": lambda r, _: (
        r["ways"]["all"]["memory_ratio"] < 0.5
        and r["logits_megabytes"] > 0.15 * r["ways"]["all"]["megabytes"]
    ),
    "Q10-C15": lambda r, _: r["harm_without_scaler"] > 0.1 and r["zero_percent"]["fp16"] > 50,
    "Q10-C20": lambda r, _: r["small_batch"]["gain"] < 1.2,
    "Q10-C24": lambda r, _: r["small_batch"]["saved_percent"] < 5 < r["chosen"]["saved_percent"],
    "Q11-C9": rates,
    "Q11-C13": first_losses,
    "Q11-C19": looked_at,
    "Q11-C21": lambda r, _: r["best_rate"]["adamw"] > 1e-3,
    "Q11-C39": lambda r, _: r["height_percent"]["later"] < 10 and r["height_percent"]["earlier"] > 50,
    "Q12-C11": lambda r, gpu: (
        r["ratios"]["seconds"] < 1.2 if gpu else 2 < r["ratios"]["seconds"] < r["ratios"]["token_passes"] / 5
    ),
    "Q12-C13": lambda r, _: (
        r["no_offset"]["largest_logit_difference"] > 1e4 * r["rounding"]["largest_logit_difference"]
    ),
    "Q14-C20": lambda r, _: rises(r["requests_per_second"]),
    "Q14-C21": lambda r, _: rises(r["step_milliseconds"]),
    "Q14-C30": lambda r, _: r["model_error"] > 0,
}
"""By claim; a new measured claim comes with its own."""


def recalled(r: Result, _gpu: bool) -> bool:
    """All at the trained length; many lost at the longest, and found again with YaRN's tables."""
    found = [r["own"]["full"], r["own"]["yarn"], r["longest"]["yarn"]]
    return min(found) >= SURE and r["longest"]["full"] < 60


def behind_a_window(r: Result, _gpu: bool) -> bool:
    """Nearly all within one window; beyond the reach no better than a guess among what is unseen."""
    by_distance, width = r["arms"]["window"]["by_distance"], r["trained"] / BINS
    near = by_distance[: int(r["window"] / width)]
    far = by_distance[math.ceil(r["reach"] / width) :]
    return float(np.mean(near)) > SURE and float(np.mean(far)) < 2 * CHANCE


def halves(r: Result, gpu: bool) -> bool:
    """On a GPU with both in its Tensor Cores: about equally fast, and clearly faster than FP32."""
    took = r["large_batch"]["milliseconds"]
    even = 2 / 3 < took["bf16"] / took["fp16"] < 3 / 2
    return not gpu or (even and max(took["bf16"], took["fp16"]) < took["fp32"] / 2)


ORDERED: dict[str, Conclusion] = {
    "Q4-C29": recalled,
    "Q4-C30": behind_a_window,
    "Q6-C17": lambda r, _: (
        max(r["differences"].values()) < 1e-5
        and abs(r["relative"]["native"]["median"] / r["relative"]["grouped"]["median"] - 1) > 0.05
    ),
    "Q6-C21": lambda r, _: r["slowest"] == "repeat" and r["relative"]["repeat"]["low"] > 1,
    "Q9-C14": lambda r, _: r["errors"]["bf16"][-1] > 0.3 and max(r["errors"]["fp32"]) < 1e-3,
    "Q9-C29": lambda r, _: all(
        way["equal_bits"] and 1 <= way["formula_time_ratio"] < 4 / 3 for way in r["ways"].values()
    ),
    "Q9-C30": lambda r, _: (
        r["ways"]["global_shares"]["relative_error"] < 1e-12 < r["ways"]["micro"]["relative_error"]
    ),
    "Q10-C19": halves,
    "Q14-C10": lambda r, _: (
        r["places"]["thread"]["worst_lag"]
        < r["block"] / 10
        < 0.9 * r["block"]
        < r["places"]["loop"]["worst_lag"]
    ),
}
"""Of claims that a check decides, those whose words say more than the check runs."""

DECIDED = [claim for question in load_questions() for claim in question.claims if claim.id in ORDERED]


def test_every_measured_claim_has_its_conclusion_here() -> None:
    assert {claim.id for claim in MEASURED} == CONCLUSIONS.keys()


@pytest.mark.parametrize("claim", [*MEASURED, *DECIDED], ids=lambda claim: claim.id)
def test_a_conclusion_holds_in_every_recorded_run(claim: Claim) -> None:
    experiment = REGISTRY.find(claim.experiment or "")
    records = recorded(experiment.id)
    assert records
    for record in records:
        assert not claim.measures or read_claim(claim, experiment, record["result"]) is not None
        holds = (CONCLUSIONS | ORDERED)[claim.id](record["result"], record["device"] != "cpu")
        assert holds, record["device_name"]
