"""The claims of Question 7 that follow from formulas, recomputed in NumPy. Its others: `claims_core.py`.

Rotations are complex numbers here, unlike the core's halves, so that the two can disagree.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import Check, Finding, given_list, given_whole
from labs.tools.number_formats import to_bf16
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from questions import load_question

QUESTION = load_question("q07_rope")
given = partial(given_whole, QUESTION)
Array = NDArray[Any]


def frequencies(head_dim: int | None = None, base: float | None = None) -> Array:
    """Radians a position of each pair, fastest first."""
    size = head_dim or given("head_dim")
    return np.array([(base or given("base")) ** (-2 * pair / size) for pair in range(size // 2)])


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
    turned_q = complex_pairs(q) * np.exp(1j * m * frequencies())
    turned_k = complex_pairs(k) * np.exp(1j * n * frequencies())
    return np.asarray((turned_q * turned_k.conj()).real.sum(-1))


def rotated(x: Array, position: int, arithmetic: str) -> Array:
    """Half-split RoPE as code does it: fp32, fp32 angles with bf16 values, or bf16 angles."""
    half = x.shape[-1] // 2
    angles = np.float32(position) * frequencies().astype(np.float32)
    if arithmetic == "bf16 angles":
        angles = to_bf16(to_bf16(np.array(position)) * to_bf16(frequencies()))
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
    turn = np.exp(-1j * distance * frequencies())
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


def bf16_positions() -> dict[str, float]:
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
    turn = np.exp(1j * 3 * frequencies())
    interleaved = ((q[:, ::2] + 1j * q[:, 1::2]) * (k[:, ::2] + 1j * k[:, 1::2]).conj() * turn).real.sum()
    plain, permuted = (float(score(a, b, 3, 0)[0]) for a, b in ((q, k), (q[:, order], k[:, order])))
    return Finding(
        math.isclose(permuted, interleaved) and abs(plain - interleaved) > 0.1,
        {"interleaved": float(interleaved), "permuted": permuted, "half_split": plain},
    )


def spectrum() -> dict[str, Any]:
    """The first frequencies, the last, its wavelength in tokens, and a base that gives the usual list."""
    theta = frequencies()
    return {
        "first": theta[:4].tolist(),
        "ratio": theta[1],
        "slowest": theta[-1],
        "wavelength": 2 * math.pi / theta[-1],
        "toy": frequencies(8, 1e4).tolist(),
    }


def full_turns() -> dict[str, Any]:
    """Pairs that turn at least once within each length, and those that do not within the trained one."""
    lengths = given_list(QUESTION, "lengths")
    turned = [int((length * frequencies() / (2 * math.pi) >= 1).sum()) for length in lengths]
    return {"turned": turned, "unfinished": len(frequencies()) - turned[0]}


def yarn_bands(original: int) -> dict[str, int]:
    """Pairs that YaRN keeps, joins and divides: borders from turns within the original length."""

    def border(turns: float) -> float:
        pair = math.log(original / (2 * math.pi * turns)) / math.log(given("base"))
        return pair * given("head_dim") / 2

    low, high = math.floor(border(given("beta_fast"))), math.ceil(border(given("beta_slow")))
    pairs = range(given("head_dim") // 2)
    kept, divided = sum(pair <= low for pair in pairs), sum(pair >= high for pair in pairs)
    return {"kept": kept, "ramp": len(pairs) - kept - divided, "divided": divided}


def temperature() -> dict[str, float]:
    """YaRN's factor on cos and sin, what it makes of a logit, and the temperature that this is."""
    factor = 0.1 * math.log(given("factor")) + 1
    return {"factor": factor, "logits": factor**2, "temperature": 1 / factor**2}


def position_table() -> dict[str, float]:
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


def ntk() -> dict[str, float]:
    """What the changed base divides the fastest and the slowest pair by."""
    size = given("head_dim")
    changed = frequencies(base=given("base") * given("factor") ** (size / (size - 2)))
    by = frequencies() / changed
    return {"fastest": by[0], "slowest": by[-1]}


def new_distances() -> dict[str, float]:
    """Percent of distances, and of query-key pairs, beyond the trained length at twice that length."""
    trained = given("trained")
    pairs = {distance: 2 * trained - distance for distance in range(2 * trained)}
    new = [count for distance, count in pairs.items() if distance >= trained]
    return {"distances": 100 * len(new) / len(pairs), "pairs": 100 * sum(new) / sum(pairs.values())}


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
}
