"""The cache of any model by the formula, and by formulas that are in use and wrong for it. No torch.

A model is what its config says of attention. Latent attention (MLA, DeepSeek-V2 2024) is sized as its authors
do unless a config says otherwise: a latent as wide as four heads, and half a head for the rotated part,
whatever the number of heads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MLA_LATENT_HEADS, MLA_ROTATED = 4, 0.5
"""Widths in heads: of the latent, and of the key that carries the position."""
BITS = {"fp32": 32, "bf16": 16, "fp8": 8, "int4": 4}
"""Of one cached number, without the scales of the quantised types."""


@dataclass(frozen=True)
class Attention:
    """What decides the size of a cache. `window` 0: every layer keeps all; else all but `global_layers`.

    `layers` are those that keep keys and values of their own, of `all_layers` (0: all do). `latent_numbers`
    and `expanded_numbers` of a token in a layer are those of an MLA that is not sized as its authors do.
    """

    layers: int
    query_heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    window: int = 0
    global_layers: int = 0
    latent: bool = False
    latent_numbers: int = 0
    expanded_numbers: int = 0
    all_layers: int = 0

    def slots(self, tokens: int) -> int:
        """Tokens kept over all layers, of one sequence."""
        if not self.window:
            return self.layers * tokens
        local = self.layers - self.global_layers
        return self.global_layers * tokens + local * min(tokens, self.window)

    def numbers(self, tokens: int) -> int:
        """Cached numbers of one sequence.

        >>> MODELS["minimind-26m"].numbers(611), MODELS["deepseek-v3"].numbers(1)
        (1251328, 35136)
        """
        return self.slots(tokens) * (
            self.latent_width() if self.latent else 2 * self.kv_heads * self.head_dim
        )

    def latent_width(self) -> int:
        """Numbers that MLA keeps of a token in a layer."""
        return self.latent_numbers or int((MLA_LATENT_HEADS + MLA_ROTATED) * self.head_dim)

    def expanded_width(self) -> int:
        """The same where keys and values are cached after they were made from the latent, for every head."""
        return self.expanded_numbers or int((1 + MLA_ROTATED + 1) * self.head_dim) * self.query_heads


MODELS = {
    "minimind-26m": Attention(8, 8, 2, 64, 512),
    "llama-2-7b": Attention(32, 32, 32, 128, 4096),
    "llama-3.1-8b": Attention(32, 32, 8, 128, 4096),
    "llama-3.1-70b": Attention(80, 64, 8, 128, 8192),
    "qwen3-0.6b": Attention(28, 16, 8, 128, 1024),
    "falcon-7b": Attention(32, 71, 1, 64, 4544),
    "gemma-3-27b": Attention(62, 32, 16, 128, 5376, window=1024, global_layers=10),
    "deepseek-v3": Attention(61, 128, 128, 128, 7168, latent=True),
    "qwen3-next-80b": Attention(12, 16, 2, 256, 2048, all_layers=48),
}
"""As their published configs say."""


def mistakes(model: Attention, tokens: int) -> dict[str, int]:
    """Cached numbers of one sequence by each wrong formula, where it is wrong for this model.

    >>> mistakes(MODELS["llama-2-7b"], 1)
    {'keys_only': 131072}
    """
    every = model.layers * tokens
    found = {
        "hidden": 2 * model.hidden * every,
        "query_heads": 2 * model.query_heads * model.head_dim * every,
        "divided": 2 * model.kv_heads * (model.hidden // model.query_heads) * every,
        "no_window": 2 * model.kv_heads * model.head_dim * every,
        "expanded": model.expanded_width() * every,
        "every_layer": model.numbers(tokens) * (model.all_layers or model.layers) // model.layers,
        "keys_only": model.numbers(tokens) // 2,
    }
    if model.latent:
        del found["no_window"], found["keys_only"]
    else:
        del found["expanded"]
    right = model.numbers(tokens)
    return {name: numbers for name, numbers in found.items() if numbers != right}


def variants(model: Attention, tokens: int) -> dict[str, int]:
    """Cached numbers of one sequence if the same model shared its heads otherwise, without any window.

    >>> list(variants(MODELS["minimind-26m"], 1).values())
    [8192, 2048, 1024, 2304, 10240]
    """
    plain = replace(model, window=0, latent=False)
    sharing = {"mha": model.query_heads, "gqa": shared_heads(model), "mqa": 1}
    numbers = {name: replace(plain, kv_heads=heads).numbers(tokens) for name, heads in sharing.items()}
    every = model.layers * tokens
    return {**numbers, "mla": model.latent_width() * every, "mla_naive": model.expanded_width() * every}


def shared_heads(model: Attention) -> int:
    """Its own KV heads where it shares them; else a group of eight queries a head, as far as it goes."""
    if 1 < model.kv_heads < model.query_heads:
        return model.kv_heads
    return max(1, model.query_heads // 8)
