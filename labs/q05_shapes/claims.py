"""The claims of Question 5 that follow from counting or from a small pass in NumPy. No torch.

Counts are summed matrix by matrix and compared with `minimind_core.model.cost`; the layer is
`written_out.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from labs.claims.checks import Check, Finding
from labs.q05_shapes.written_out import (
    block,
    example,
    flops,
    given,
    layer,
    matrices,
    multiplied,
    per_pair,
    rms_norm,
    rotate,
    softmax,
    total,
    width,
)
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.parameter_shapes import parameter_shapes


def shape(name: str) -> list[int]:
    """Of one tensor of the example's pass."""
    return list(block(example())[name].shape)


def stream() -> dict[str, list[int]]:
    """Ids looked up, through a layer, to logits."""
    table = np.zeros((given("vocab"), given("hidden")))
    ids = np.zeros((given("batch"), given("tokens")), dtype=int)
    output = block(table[ids])["output"]
    return {"ids": list(ids.shape), "hidden": list(output.shape), "logits": list((output @ table.T).shape)}


def scores() -> dict[str, Any]:
    """Their shape and how many there are."""
    found = block(example())["scores"]
    return {"shape": list(found.shape), "elements": found.size}


def rounding() -> dict[str, int]:
    """Eight thirds of the hidden size and the multiples of the tile around it."""
    raw, tile = int(given("hidden") * 8 / 3), given("tile")
    return {
        "raw": raw,
        "below": raw // tile * tile,
        "tiles": width(given("hidden")) // tile,
        "rounded": width(given("hidden")),
        "wider": width(768),
    }


def parameters() -> dict[str, int]:
    """All of them, tied and not; and the core's number of tensors, and of linear modules among them."""
    counts, names = matrices(), parameter_shapes(ModelConfig())
    tied, untied = total(counts), total(counts) + counts["embedding"]
    assert tied == num_parameters(ModelConfig())
    assert untied == num_parameters(ModelConfig(tie_word_embeddings=False))
    return {
        "tied": tied,
        "untied": untied,
        "tensors": len(names),
        "linears": sum(name.endswith("_proj.weight") for name in names),
    }


def narrower() -> dict[str, float]:
    """With the width that is not rounded."""
    narrow, ours = total(matrices(feed_forward=rounding()["raw"])), total(matrices())
    return {"total": narrow, "missing": ours - narrow, "percent": 100 * (ours - narrow) / ours}


def output_projection() -> dict[str, float]:
    """What the matrix after the heads holds."""
    counts = matrices()
    everywhere = given("layers") * counts["o"]
    return {
        "layer": counts["o"],
        "all": everywhere,
        "percent": 100 * everywhere / total(counts),
        "without": total(counts) - everywhere,
    }


def rotation_keeps_norms() -> Finding:
    """Norms of queries before and after, and that position 0 is not turned at all."""
    queries = block(example(64))["q"]
    before, after = np.linalg.norm(queries, axis=-1), np.linalg.norm(rotate(queries), axis=-1)
    drift = float(np.abs(after / before - 1).max())
    turned = not np.allclose(rotate(queries)[:, :, 1:], queries[:, :, 1:])
    unturned = np.array_equal(rotate(queries)[:, :, 0], queries[:, :, 0])
    return Finding(drift < 1e-12 and turned and unturned, drift)


def softmax_twice() -> dict[str, float]:
    """Cross-entropy of probabilities taken for logits: the best and the worst that can happen."""
    certain = np.zeros(given("vocab"))
    certain[0] = 1.0
    again = -np.log(softmax(certain))
    return {"floor": float(again[0]), "ceiling": float(again[1]), "uniform": math.log(given("vocab"))}


def causality() -> Finding:
    """Change one token and look at the rows before and after it."""
    x = example(12)
    edited = x.copy()
    edited[:, 7] += 1.0
    change = np.abs(block(edited)["output"] - block(x)["output"]).max((0, 2))
    return Finding(bool((change[:7] == 0).all() and (change[7:] > 0).all()), change.tolist())


def forward_costs() -> dict[str, int]:
    """The formula's constants and three examples."""
    return {
        "per_token": multiplied(),
        "per_pair": per_pair(),
        "example": flops(given("batch"), given("tokens")),
        "single": flops(1, 1),
        "full": flops(1, 512),
    }


def first_loss() -> dict[str, float]:
    """Of a uniform guess; and with weights of standard deviation 0.02 in the head, where logits vary."""
    variance = given("hidden") * 0.02**2
    return {"uniform": math.log(given("vocab")), "expected": math.log(given("vocab")) + variance / 2}


def repeat_order() -> Finding:
    """Repeat heads before the transposition and after it."""
    batch, tokens, group = given("batch"), given("tokens"), given("query_heads") // given("kv_heads")
    keys = block(example())["k_linear"].reshape(batch, tokens, -1, given("head_dim"))
    first = np.repeat(keys, group, 2).transpose(0, 2, 1, 3)
    return Finding(np.array_equal(first, np.repeat(keys.transpose(0, 2, 1, 3), group, 1)), list(first.shape))


def view_without_transposition() -> Finding:
    """The right shape straight from the linear layer's output, and what it holds."""
    seen = block(example())
    direct = seen["q_linear"].reshape(seen["q"].shape)
    same = float((direct == seen["q"]).mean())
    return Finding(direct.shape == seen["q"].shape and same < 0.5, same)


def mask_after_softmax() -> Finding:
    """Row sums where future weights are multiplied by zero instead of masked before."""
    sums = np.tril(softmax(block(example())["scores"])).sum(-1)
    return Finding(
        bool((sums[..., :-1] < 1).all() and np.allclose(sums[..., -1], 1)),
        [float(sums.min()), float(sums.max())],
    )


def shares() -> dict[str, float]:
    """Percent of all weights by part."""
    counts = matrices()
    layers, everything = given("layers"), total(counts)
    return {
        "feed_forward": 100 * layers * 3 * counts["gate"] / everything,
        "attention": 100 * layers * sum(counts[name] for name in "qkvo") / everything,
        "embedding": 100 * counts["embedding"] / everything,
        "norms": 100 * (2 * layers + 1) * counts["norm"] / everything,
    }


def ledger() -> dict[str, int]:
    """The table of weights."""
    counts = matrices()
    return {
        "embedding": counts["embedding"],
        "q": counts["q"],
        "k": counts["k"],
        "v": counts["v"],
        "o": counts["o"],
        "attention": sum(counts[name] for name in "qkvo"),
        "gate": counts["gate"],
        "up": counts["up"],
        "down": counts["down"],
        "feed_forward": 3 * counts["gate"],
        "norm": counts["norm"],
        "layer": layer(counts),
        "layers": given("layers") * layer(counts),
    }


def by_kv_heads() -> dict[str, int]:
    """Totals for other numbers of key/value heads."""
    heads = {"eight": 8, "four": 4, "two": 2, "one": 1}
    return {name: total(matrices(count)) for name, count in heads.items()}


def crossover() -> dict[str, int]:
    """The length at which attention costs as much as all matrices, as a square and counted causally."""
    linear, pair = 2 * multiplied(), per_pair()
    square = next(n for n in range(1, 10**5) if pair * n**2 == linear * n)
    causal = next(n for n in range(1, 10**5) if pair * n * (n + 1) == 2 * linear * n)
    return {"square": square, "causal": causal}


def operations_of_a_token() -> dict[str, float]:
    """Weights that it meets; MFLOP forward, and with a backward pass of twice as much."""
    forward = 2 * multiplied() / 10**6
    return {"weights": multiplied(), "forward": forward, "training": 3 * forward}


def activations() -> dict[str, float]:
    """Numbers that the layers keep for a token; GB of a batch in BF16, and of the training state."""
    seen = block(example())
    stream = [seen["input"], seen["normed"]] * 2 + [seen["output"]]  # both norms, and the joined heads
    heads = [seen[name] for name in ("q_linear", "k_linear", "v_linear")]
    inner = [seen["inner"]] * 3  # gate, up and their product
    per_token = given("layers") * sum(tensor.shape[-1] for tensor in (*stream, *heads, *inner))
    return {
        "per_token": per_token,
        "batch_gb": 2 * 32 * 512 * per_token / 10**9,
        "state_gb": 16 * total(matrices()) / 10**9,
    }


def norm_and_rotation() -> dict[str, str]:
    """RMSNorm before RoPE and after it: with gains, without, and with one gain for both sides of a pair."""
    queries = block(example(16))["q"]
    gains = np.random.default_rng(2).uniform(0.5, 2, given("head_dim"))
    trained = {
        "with_gain": gains,
        "without_gain": np.ones_like(gains),
        "equal_in_pairs": np.tile(gains[: len(gains) // 2], 2),  # half-split: i turns with i + head_dim / 2
    }
    orders = {
        name: np.allclose(rotate(gain * rms_norm(queries)), gain * rms_norm(rotate(queries)), atol=1e-9)
        for name, gain in trained.items()
    }
    return {name: "same" if same else "different" for name, same in orders.items()}


def rope_tables() -> dict[str, int]:
    """cos and sin for 32,768 positions in fp32, and the weights that QK-norm would add."""
    size = 2 * 32768 * given("head_dim") * 4
    return {"bytes": size, "mebibytes": size // 2**20, "qk_norm": 2 * given("head_dim") * given("layers")}


def top_left() -> list[float]:
    """Weights of one query over five equal keys under a triangle aligned at the top left."""
    visible = np.tril(np.ones((1, given("tokens")), dtype=bool))
    return [float(weight) for weight in softmax(np.where(visible, 0.0, -np.inf))[0]]


CHECKS: dict[str, Check] = {
    "Q5-C1": stream,
    "Q5-C2": lambda: {
        name: shape(tensor)
        for name, tensor in (
            ("q_linear", "q_linear"),
            ("q", "q"),
            ("kv_linear", "k_linear"),
            ("kv", "k"),
            ("repeated", "keys"),
        )
    },
    "Q5-C3": scores,
    "Q5-C4": lambda: shape("inner")[-1],
    "Q5-C5": rounding,
    "Q5-C6": parameters,
    "Q5-C7": narrower,
    "Q5-C8": output_projection,
    "Q5-C9": rotation_keeps_norms,
    "Q5-C10": softmax_twice,
    "Q5-C12": causality,
    "Q5-C14": forward_costs,
    "Q5-C16": first_loss,
    "Q5-C17": repeat_order,
    "Q5-C19": view_without_transposition,
    "Q5-C20": top_left,
    "Q5-C21": mask_after_softmax,
    "Q5-C22": shares,
    "Q5-C23": ledger,
    "Q5-C24": by_kv_heads,
    "Q5-C25": crossover,
    "Q5-C26": rope_tables,
    "Q5-C28": operations_of_a_token,
    "Q5-C30": activations,
    "Q5-C31": norm_and_rotation,
    "Q5-C33": lambda: shape("inner"),
}
