"""The claims of Question 9, recomputed in NumPy: a logistic regression, two optimizers, a few windows.

The gradient of a mean does not know how large the model is, so a small model decides the algebra. What
depends on the 26M is measured by the lab.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from labs.claims.checks import Check, Finding
from labs.q09_accumulation.logistic import (
    FEATURES,
    SGD,
    AdamW,
    Array,
    accumulated,
    big_batch,
    equal_window,
    given,
    gradient_sum,
    relative,
    start,
    token_normalized,
    update_ratio,
    window,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import weight_bytes


def equals_big_batch() -> Finding:
    """Relative error of the divided accumulation in float64."""
    weights, batches = start(), equal_window()
    error = relative(accumulated(weights, batches, divide=True), big_batch(weights, batches))
    return Finding(error < 1e-12, error)


def undivided_ratio() -> float:
    """Undivided gradient over the true one."""
    weights, batches = start(), equal_window()
    return float(
        np.linalg.norm(accumulated(weights, batches, divide=False))
        / np.linalg.norm(big_batch(weights, batches))
    )


def run(optimizer: Any, *, divide: bool, updates: int = 50) -> Array:
    """Weights after some updates on the same window."""
    weights, batches = start(), equal_window()
    for _ in range(updates):
        weights = optimizer.step(weights, accumulated(weights, batches, divide=divide))
    return weights


def sgd_runs() -> dict[str, float]:
    """The first update, and that a whole run equals one at a rate A times as high."""
    wrong, scaled = run(SGD(0.01), divide=False), run(SGD(0.01 * given("steps")), divide=True)
    assert relative(wrong, scaled) < 1e-12, "the runs differ"
    return {"update": update_ratio(SGD)}


def adamw_runs() -> dict[str, float]:
    """The first update, and that whole runs stay together."""
    wrong, right = run(AdamW(0.01), divide=False), run(AdamW(0.01), divide=True)
    assert relative(wrong, right) < 1e-5, "the runs differ"
    return {"update": update_ratio(AdamW)}


def lower_rate() -> dict[str, float]:
    """First updates with the rate divided and the gradient not, over the right ones."""
    return {"sgd": update_ratio(SGD, lower_rate=True), "adamw": update_ratio(AdamW, lower_rate=True)}


def clipped() -> dict[str, float]:
    """SGD's first update without the division over that with it, under a wide and a tight clip."""
    norm, steps = float(given("norm")), int(given("steps"))
    ratios = [min(norm * steps, clip) / min(norm, clip) for clip in (1.0, 0.1)]
    return {"wide": ratios[0], "tight": ratios[1]}


def token_weights() -> dict[str, float]:
    """What a term of the short micro-batch weighs against one of the long in a mean of means, and rightly."""
    long, short = (int(count) for count in given("counts"))
    return {"ratio": (1 / 2 / short) / (1 / 2 / long), "terms": long + short}


def unequal_counts() -> Finding:
    """Errors of the mean of means for mild and strong inequality, and of the token-normalised sum."""
    weights, errors = start(), []
    for counts in ([220, 256, 200, 240], [32, 256, 120, 60], [4, 256, 30, 100]):
        batches = window(counts)
        truth = big_batch(weights, batches)
        assert relative(token_normalized(weights, batches), truth) < 1e-12
        errors.append(relative(accumulated(weights, batches, divide=True), truth))
    return Finding(0 < errors[0] < errors[1] < errors[2], errors)


def stable_rates() -> dict[str, float]:
    """The highest stable rate of SGD on a quadratic, with the division over without: by bisection."""
    x, _ = window([given("micro") * given("steps")])[0]
    hessian = x.T @ x / len(x)

    def limit(factor: float) -> float:
        low, high = 0.0, 100.0
        for _ in range(60):
            rate = (low + high) / 2
            largest = float(np.abs(1 - rate * factor * np.linalg.eigvalsh(hessian)).max())
            low, high = (rate, high) if largest <= 1 + 1e-12 else (low, rate)
        return low

    return {"ratio": limit(1.0) / limit(float(given("steps")))}


def not_always_nan() -> Finding:
    """A quadratic: SGD without the division below and above its limit, and Adam without it."""
    x, _ = window([given("micro") * given("steps")])[0]
    hessian, steps = x.T @ x / len(x), given("steps")
    limit = 2 / float(np.linalg.eigvalsh(hessian).max())

    def size_after(optimizer: Any) -> float:
        weights = start()
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(3000):
                weights = optimizer.step(weights, steps * (hessian @ weights))
        return float(np.linalg.norm(weights))

    below, above, adam = (
        size_after(optimizer)
        for optimizer in (SGD(0.9 * limit / steps), SGD(1.5 * limit / steps), AdamW(1e-3))
    )
    begin = float(np.linalg.norm(start()))
    return Finding(below < begin and adam < begin and not np.isfinite(above), [below, str(above), adam])


def single_precision() -> Finding:
    """Accumulated against one big batch in fp32: close, and not the same bits."""
    weights, batches = start(np.float32), equal_window(np.float32)
    error = relative(accumulated(weights, batches, divide=True), big_batch(weights, batches))
    return Finding(0 < error < 1e-5, error)


def divided_at_the_end() -> Finding:
    """Largest difference in fp32 between dividing each term and dividing the sum, for eight and for six."""
    differences = []
    for steps in (8, 6):
        weights, batches = start(np.float32), window([given("micro")] * steps, np.float32)
        early = accumulated(weights, batches, divide=True)
        late = accumulated(weights, batches, divide=False) / np.float32(steps)
        differences.append(float(np.abs(early - late).max()))
    return Finding(differences[0] == 0 < differences[1] < 1e-6, differences)


def leftovers() -> dict[str, float]:
    """Updates, micro-batches left over, terms in the next epoch's first window, and a flush's weight."""
    updates, left = divmod(int(given("batches")), int(given("steps")))
    return {"updates": updates, "left": left, "next": left + given("steps"), "flush": left / given("steps")}


def first_window() -> int:
    """Micro-batches before the first update where the counter starts at 1 and (step + 1) % A is tested."""
    step = 1
    while (step + 1) % given("steps"):
        step += 1
    return step


def to_bf16(x: Array) -> Array:
    """Round to bf16, ties to even, kept as fp32."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def accumulation_dtype() -> Finding:
    """Relative errors of sums of 8, 64, 512 and 4096 similar terms in bf16, and of the last in fp32."""
    terms = np.random.default_rng(0).normal(1.0, 0.5, (4096, FEATURES)).astype(np.float32)
    errors, coarse, fine = [], np.zeros(FEATURES, np.float32), np.zeros(FEATURES, np.float32)
    for place, term in enumerate(terms, 1):
        coarse, fine = to_bf16(coarse + to_bf16(term)), fine + term
        if place in (8, 64, 512, 4096):
            errors.append(relative(coarse, terms[:place].sum(0, dtype=np.float64)))
    single = relative(fine, terms.sum(0, dtype=np.float64))
    return Finding(errors == sorted(errors) and errors[-1] > 0.3 and single < 1e-3, [*errors, single])


def reduced_bytes() -> dict[str, float]:
    """Megabytes of fp32 gradients that one window all-reduces: once, and after every micro-batch."""
    once = weight_bytes(ModelConfig(), 4) / 10**6
    return {"once": once, "always": once * given("steps")}


def batch_statistics() -> Finding:
    """Batch normalisation of one big batch against that of its micro-batches; RMSNorm of both."""
    x = np.concatenate([part for part, _ in equal_window()])

    def batch_norm(part: Array) -> Array:
        return np.asarray((part - part.mean(0)) / part.std(0))

    def rms_norm(part: Array) -> Array:
        return np.asarray(part / np.sqrt((part**2).mean(-1, keepdims=True)))

    parts = np.split(x, given("steps"))
    errors = [
        relative(np.concatenate([norm(part) for part in parts]), norm(x)) for norm in (batch_norm, rms_norm)
    ]
    return Finding(errors[0] > 0.1 and errors[1] < 1e-12, errors)


def ranks() -> Finding:
    """The token-normalised gradient over two ranks, however the micro-batches are dealt out."""
    weights, batches = start(), window([4, 256, 30, 100])
    terms = sum(len(y) for _, y in batches)
    found = []
    for deal in (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((3, 0), (2, 1))):
        on_rank = [
            np.sum([gradient_sum(weights, *batches[place]) for place in places], 0) * len(deal) / terms
            for places in deal
        ]
        found.append(relative(np.mean(on_rank, 0), big_batch(weights, batches)))  # DDP averages the ranks
    return Finding(max(found) < 1e-12, found)


def load_balance() -> Finding:
    """The load-balancing loss of a top-1 router over the whole batch, and its mean over micro-batches."""
    random, experts = np.random.default_rng(0), 4
    scores = np.exp(random.normal(size=(given("effective"), experts)))
    routed = scores / scores.sum(-1, keepdims=True)  # [tokens, experts]

    def loss(part: Array) -> float:
        shares = np.bincount(part.argmax(-1), minlength=experts) / len(part)
        return float(experts * (shares * part.mean(0)).sum())

    whole, micro = loss(routed), float(np.mean([loss(part) for part in np.split(routed, given("steps"))]))
    return Finding(micro > whole + 0.1, {"whole": whole, "micro": micro})


def contrastive_starts() -> dict[str, float]:
    """The contrastive loss where all pairs score alike, among the whole batch and among one part."""

    def loss(candidates: int) -> float:
        scores = np.zeros((candidates, candidates))
        return float(np.mean(np.log(np.exp(scores).sum(-1)) - np.diag(scores)))

    return {"whole": loss(given("effective")), "micro": loss(given("micro"))}


def unbiased() -> Finding:
    """Bias of window gradients for one step and for eight, divided and not; the variances' ratio."""
    weights, random, draws, steps = start(), np.random.default_rng(2), 4000, given("steps")
    x, y = window([512])[0]
    full = gradient_sum(weights, x, y) / len(y)
    each = -y[:, None] / (1 + np.exp(y * (x @ weights)))[:, None] * x  # [samples, features]
    picked = each[random.integers(0, len(y), (draws, steps, given("micro")))].mean(
        2
    )  # [draws, steps, features]
    single, divided = picked[:, 0], picked.mean(1)
    biases = [relative(found.mean(0), full) for found in (single, divided)]
    undivided = float(np.linalg.norm(picked.sum(1).mean(0)) / np.linalg.norm(full))
    ratio = float(divided.var(0).sum() / single.var(0).sum()) * steps
    return Finding(
        max(biases) < 0.1 and abs(ratio - 1) < 0.1 and undivided > steps / 2,
        {"biases": biases, "variance_times_steps": ratio, "undivided": undivided},
    )


CHECKS: dict[str, Check] = {
    "Q9-C1": equals_big_batch,
    "Q9-C2": undivided_ratio,
    "Q9-C3": sgd_runs,
    "Q9-C4": adamw_runs,
    "Q9-C5": clipped,
    "Q9-C6": token_weights,
    "Q9-C7": not_always_nan,
    "Q9-C8": stable_rates,
    "Q9-C9": single_precision,
    "Q9-C10": lower_rate,
    "Q9-C11": divided_at_the_end,
    "Q9-C12": leftovers,
    "Q9-C13": first_window,
    "Q9-C14": accumulation_dtype,
    "Q9-C16": reduced_bytes,
    "Q9-C17": batch_statistics,
    "Q9-C18": unequal_counts,
    "Q9-C19": lambda: float(given("loss_sum")) / given("steps"),
    "Q9-C22": ranks,
    "Q9-C23": load_balance,
    "Q9-C24": contrastive_starts,
    "Q9-C25": unbiased,
}
