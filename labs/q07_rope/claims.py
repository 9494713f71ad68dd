"""The claims of Question 7 that follow from formulas, recomputed in NumPy. Its others: `claims_core.py`.

Rotations are complex numbers here, unlike the core's halves, so that the two can disagree. Frequencies and
what stretches them are those of `scaling.py`, which is written apart from the core as well.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import Check, Finding, given_list, given_whole
from labs.contract import Counts, Numbers
from labs.q07_rope import scaling
from labs.tools.number_formats import to_bf16
from minimind_core.model.config import ModelConfig, RopeScaling
from minimind_core.model.cost import num_parameters
from questions import load_question

QUESTION = load_question("q07_rope")
given = partial(given_whole, QUESTION)
HEAD = given("head_dim"), given("base")
THETA = scaling.frequencies(*HEAD)
"""Radians a position of each pair, fastest first."""
Array = NDArray[Any]


def complex_pairs(x: Array) -> Array:
    """Dimension i with i + d/2 as one complex number."""
    half = x.shape[-1] // 2
    return np.asarray(x[..., :half] + 1j * x[..., half:])


def vectors(count: int = 256) -> tuple[Array, Array]:
    """Random queries and keys."""
    random = np.random.default_rng(0)
    shape = count, given("head_dim")
    return random.normal(size=shape), random.normal(size=shape)


def score(q: Array, k: Array, m: int, n: int) -> Array:
    """Of q at position m against k at position n: rotate each, then the real inner product."""
    turned_q = complex_pairs(q) * np.exp(1j * m * THETA)
    turned_k = complex_pairs(k) * np.exp(1j * n * THETA)
    return np.asarray((turned_q * turned_k.conj()).real.sum(-1))


def rotated(x: Array, position: int, arithmetic: str) -> Array:
    """Half-split RoPE as code does it: fp32, fp32 angles with bf16 values, or bf16 angles."""
    half = x.shape[-1] // 2
    angles = np.float32(position) * THETA.astype(np.float32)
    if arithmetic == "bf16 angles":
        angles = to_bf16(to_bf16(np.array(position)) * to_bf16(THETA))
    cos, sin = np.cos(angles), np.sin(angles)
    first, second = x[..., :half].astype(np.float32), x[..., half:].astype(np.float32)
    if arithmetic != "fp32":
        cos, sin, first, second = (to_bf16(part) for part in (cos, sin, first, second))
    out = np.concatenate((first * cos - second * sin, second * cos + first * sin), -1)
    return out if arithmetic == "fp32" else to_bf16(out)


def shift_error(arithmetic: str, start: int) -> float:
    """RMS of score(start, start + 1) - score(0, 1), the sums taken in float64."""
    q, k = vectors()
    products = [
        (rotated(q, m, arithmetic).astype(float) * rotated(k, m + 1, arithmetic)).sum(-1) for m in (start, 0)
    ]
    return float(np.sqrt(np.mean((products[0] - products[1]) ** 2)))


def relative_only() -> Finding:
    """Scores of one distance at many starts, and the closed form with conjugate, sum and real part."""
    q, k = vectors()
    distance = 7
    turn = np.exp(-1j * distance * THETA)
    closed = (complex_pairs(q) * complex_pairs(k).conj() * turn).real.sum(-1)
    errors = [float(np.abs(score(q, k, m, m + distance) - closed).max()) for m in (0, 100, 1000, 100_000)]
    return Finding(max(errors) < 1e-9, errors)


def fp32_error_grows() -> Finding:
    """Errors at four starts in fp32."""
    errors = [shift_error("fp32", start) for start in (100, 1000, 32767, 10**6)]
    return Finding(all(later > 2 * earlier for earlier, later in itertools.pairwise(errors)), errors)


def bf16_values_do_not_grow() -> Finding:
    """Errors with fp32 angles and bf16 values: never far apart, whatever the start."""
    errors = [shift_error("bf16 values", start) for start in (100, 1000, 10_000, 100_000)]
    return Finding(max(errors) < 2 * min(errors), errors)


def bf16_positions() -> Numbers:
    """The last position up to which bf16 holds every integer, and how many neighbours merge after it."""
    held = to_bf16(np.arange(1100))
    lossless = int(np.flatnonzero(held != np.arange(1100))[0]) - 1

    def merged(start: int, end: int) -> float:
        return 100 * float((held[start:end] == held[start + 1 : end + 1]).mean())

    return {"last": lossless, "next": merged(256, 512), "after": merged(512, 1024)}


def pairings() -> Finding:
    """Interleaved pairs against half-split ones on the same vectors, and after permuting dimensions."""
    q, k = vectors(1)
    order = np.concatenate((np.arange(0, given("head_dim"), 2), np.arange(1, given("head_dim"), 2)))
    turn = np.exp(1j * 3 * THETA)
    interleaved = ((q[:, ::2] + 1j * q[:, 1::2]) * (k[:, ::2] + 1j * k[:, 1::2]).conj() * turn).real.sum()
    plain, permuted = (float(score(a, b, 3, 0)[0]) for a, b in ((q, k), (q[:, order], k[:, order])))
    return Finding(
        math.isclose(permuted, interleaved) and abs(plain - interleaved) > 0.1,
        {"interleaved": float(interleaved), "permuted": permuted, "half_split": plain},
    )


def spectrum() -> dict[str, Any]:
    """The first frequencies, the last, its wavelength in tokens, and a base that gives the usual list."""
    return {
        "first": THETA[:4].tolist(),
        "ratio": THETA[1],
        "slowest": THETA[-1],
        "wavelength": 2 * math.pi / THETA[-1],
        "toy": scaling.frequencies(8, 1e4).tolist(),
    }


def full_turns() -> dict[str, Any]:
    """Pairs that turn at least once within each length, and those that do not within the trained one."""
    lengths = given_list(QUESTION, "lengths")
    turned = [int((length * THETA / (2 * math.pi) >= 1).sum()) for length in lengths]
    return {"turned": turned, "unfinished": len(THETA) - turned[0]}


def yarn_bands(original: int) -> Counts:
    """Pairs that YaRN keeps, joins and divides: borders from turns within the original length."""
    betas = {"beta_fast": given("beta_fast"), "beta_slow": given("beta_slow")}
    return scaling.bands(*HEAD, RopeScaling("yarn", given("factor"), original, **betas))


def temperature() -> Numbers:
    """YaRN's factor on cos and sin, what it makes of a logit, and the temperature that this is."""
    found = scaling.temperature(RopeScaling("yarn", given("factor"), given("original")))
    return {**found, "temperature": 1 / found["logits"]}


def position_table() -> Numbers:
    """Weights of a learned table for all of upstream's positions, against our model."""
    weights = given_list(QUESTION, "lengths")[-1] * ModelConfig().hidden_size
    return {"weights": weights, "percent": 100 * weights / num_parameters(ModelConfig())}


def half_table() -> dict[str, str]:
    """A query times a table of d/2 columns, and times one whose halves are doubled."""
    query, table = np.ones((5, given("head_dim"))), np.ones((5, given("head_dim") // 2))
    found = {}
    for name, factor in (("half", table), ("doubled", np.tile(table, 2))):
        try:
            found[name] = "[{}, {}]".format(*(query * factor).shape)
        except ValueError:
            found[name] = "an error"
    return found


def quarter_turns() -> dict[str, list[int]]:
    """What turning every pair by a right angle makes of [1, 2, 3, 4], in both pairings."""
    x = np.array([1, 2, 3, 4])
    halves = complex_pairs(x) * 1j
    neighbours = (x[::2] + 1j * x[1::2]) * 1j
    return {
        "half_split": np.concatenate((halves.real, halves.imag)).astype(int).tolist(),
        "interleaved": np.stack((neighbours.real, neighbours.imag), -1).ravel().astype(int).tolist(),
    }


def ntk() -> Numbers:
    """What the changed base divides the fastest and the slowest pair by."""
    by = 1 / scaling.multipliers(*HEAD, RopeScaling("ntk", given("factor"), given("original")))
    return {"fastest": by[0], "slowest": by[-1]}


def new_distances() -> Numbers:
    """Percent of distances, and of query-key pairs, beyond the trained length at twice that length."""
    trained = given("trained")
    pairs = {distance: 2 * trained - distance for distance in range(2 * trained)}
    new = [count for distance, count in pairs.items() if distance >= trained]
    return {"distances": 100 * len(new) / len(pairs), "pairs": 100 * sum(new) / sum(pairs.values())}


def no_decay() -> Finding:
    """Spread of random vectors' scores at four distances over that at distance 0; for q = k, the mean."""
    q, k = vectors(4096)
    distances = (1, 32, 512, 8192)
    spread = [float(score(q, k, 0, far).std() / score(q, k, 0, 0).std()) for far in distances]
    alike = [float(score(q, q, 0, far).mean() / score(q, q, 0, 0).mean()) for far in distances]
    flat = all(abs(ratio - 1) < 0.05 for ratio in spread)
    return Finding(flat and alike[-1] < alike[0] - 0.1, {"spread": spread, "alike": alike})


CHECKS: dict[str, Check] = {
    "Q7-C1": relative_only,
    "Q7-C2": fp32_error_grows,
    "Q7-C3": bf16_values_do_not_grow,
    "Q7-C4": bf16_positions,
    "Q7-C5": pairings,
    "Q7-C6": spectrum,
    "Q7-C7": full_turns,
    "Q7-C10": lambda: {"upstream": yarn_bands(given("original")), "ours": yarn_bands(given("trained"))},
    "Q7-C11": lambda: given("factor") * given("original"),
    "Q7-C12": temperature,
    "Q7-C18": position_table,
    "Q7-C19": half_table,
    "Q7-C20": quarter_turns,
    "Q7-C21": ntk,
    "Q7-C23": new_distances,
    "Q7-C29": no_decay,
}
