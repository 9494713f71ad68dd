"""Layers that forget their activations and compute them again in the backward pass. Imports torch.

Chen et al. 2016, "Training deep nets with sublinear memory cost"; torch.utils.checkpoint does the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from minimind_core.model.minimind import AttentionInputs


class Recomputed(nn.Module):
    """Layers in a row of which only the input is kept for the backward pass."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, hidden: Tensor, inputs: AttentionInputs) -> Tensor:
        """hidden [B, T, C] -> [B, T, C]."""
        # no layer draws random numbers, so that no generator need be put back
        return checkpoint(self._run, hidden, inputs, use_reentrant=False, preserve_rng_state=False)

    def _run(self, hidden: Tensor, inputs: AttentionInputs) -> Tensor:
        for layer in self.layers:
            hidden = layer(hidden, inputs)
        return hidden


def every_nth(layers: Sequence[nn.Module], every: int) -> nn.ModuleList:
    """The layers, of which every `every`-th is computed again; 0 for none."""
    return nn.ModuleList(
        Recomputed([layer]) if every and number % every == 0 else layer
        for number, layer in enumerate(layers, 1)
    )


def in_groups(layers: Sequence[nn.Module], size: int) -> nn.ModuleList:
    """The layers in groups of `size`, of which only the input is kept."""
    starts = range(0, len(layers), size)
    return nn.ModuleList(Recomputed(layers[start : start + size]) for start in starts)


def arrangements(
    layers: Sequence[nn.Module], ways: Mapping[str, tuple[str, int]]
) -> dict[str, nn.ModuleList]:
    """The same layers by name of a way, each ("every", n) or ("groups", n)."""
    return {
        name: every_nth(layers, size) if kind == "every" else in_groups(layers, size)
        for name, (kind, size) in ways.items()
    }
