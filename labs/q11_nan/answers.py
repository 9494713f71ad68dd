"""Numbers of a model that may be wrong, for the probes to compare. Imports torch.

Shapes: B rows, T tokens, H num_heads, K num_kv_heads, D head_dim, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from unittest import mock

import torch
from torch import Tensor, nn

from labs.q11_nan.mutants import Subject
from labs.tools.models import hooked
from minimind_core.model import minimind


class Answers:
    """Numbers of one subject on rows int64 [B, T].

    What is compared with another subject is computed here, while the bug of this one is in place.
    """

    def __init__(self, subject: Subject, rows: Tensor) -> None:
        self.subject, self.model, self.rows = subject, subject.model, rows
        self.logits = self.forward(rows)  # [B, T, V]
        self.by_position = subject.loss(self.logits, rows).mean(0)  # [T - 1]
        self.loss = float(self.by_position.mean())
        self.gradients = self._gradients()
        self.attention = self._attention()  # [B, H, T, T]
        self.outputs = self._outputs()

    @torch.no_grad()
    def forward(self, rows: Tensor, positions: Tensor | None = None) -> Tensor:
        """Logits [B, T, V] at these positions, all tokens new."""
        return self.model(rows, positions).float()

    @cached_property
    def last_changed(self) -> Tensor:
        """Logits [B, T, V] of the rows with another last token."""
        changed = self.rows.clone()
        changed[:, -1] = (changed[:, -1] + 1) % self.logits.shape[-1]
        return self.forward(changed)

    def _gradients(self) -> list[float]:
        """The norm of each weight's gradient; of those that have none 0."""
        model = self.model
        model.zero_grad(set_to_none=True)
        self.subject.loss(model(self.rows).float(), self.rows).mean().backward()
        return [0.0 if p.grad is None else float(p.grad.norm()) for p in model.parameters()]

    def _attention(self) -> Tensor:
        """Weights of the first layer's attention [B, H, T, T]: what `attend` makes of a unit matrix."""
        seen: list[Tensor] = []
        real = minimind.attend

        def spy(queries: Tensor, keys: Tensor, values: Tensor, visible: object, kind: str) -> Tensor:
            if not seen:
                length = keys.shape[2]
                units = torch.eye(length, device=keys.device).expand(*keys.shape[:2], length, length)
                seen.append(_told(real, queries, keys, units, visible, kind))
            return real(queries, keys, values, visible, kind)  # type: ignore[arg-type]

        with mock.patch.object(minimind, "attend", spy):
            self.forward(self.rows[:1])
        return seen[0]

    def _outputs(self) -> dict[str, Tensor]:
        """What comes out of each place for the first row [1, T, ..], in the order of the forward pass."""
        seen: dict[str, Tensor] = {}

        def note(place: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
            seen.setdefault(place, output)

        decoder = self.model.model
        first = decoder.layers[0]
        modules = {
            "embedding": decoder.embed_tokens,
            "first_norm": first.input_layernorm,
            "attention": first.self_attn,
            "second_norm": first.post_attention_layernorm,
            "feed_forward": first.mlp,
            "first_block": first,
            "later_block": decoder.layers[-1],
            "final_norm": decoder.norm,
        }
        with hooked(each.register_forward_hook(partial(note, place)) for place, each in modules.items()):
            logits = self.forward(self.rows[:1])
        return {place: seen[place] for place in modules if place in seen} | {"head": logits}


@torch.no_grad()
def _told(real: Callable[..., Tensor], queries: Tensor, keys: Tensor, units: Tensor, *rest: object) -> Tensor:
    return real(queries, keys, units, *rest).detach()


Probe = Callable[[Answers, Answers], str]
"""Takes the subject's answers and the healthy model's."""
