"""A hierarchical reader: one model reads each chunk alone, a second one reads their means. Imports torch.

Shapes: B rows, T tokens, N = T / chunk chunks, K questions, C hidden_size, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from minimind_core.model.config import ModelConfig
from minimind_core.model.minimind import AttentionInputs, Decoder, MiniMind


class TwoLevels(nn.Module):
    """A Decoder of one layer over each chunk, mean-pooled; a MiniMind over the means and the questions.

    The second model has no positions, and every mean looks at every other: it finds a chunk by what is in it,
    however many there are and in whatever order.
    """

    def __init__(self, config: ModelConfig, chunk: int) -> None:
        super().__init__()
        self.chunk = chunk
        self.reader = Decoder(config.replace(num_layers=1))
        self.mixer = MiniMind(config.replace(position="none"))
        self.pointer = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, text: Tensor, asks: Tensor) -> tuple[Tensor, Tensor]:
        """text [B, T], asks [B, K], int64 -> logits of the answer [B, K, V] and of its chunk [B, K, N]."""
        count, width = len(text), self.pointer.in_features
        read = self.reader(text.reshape(-1, self.chunk))  # [B * N, chunk, C]
        means = read.mean(1).view(count, -1, width)  # [B, N, C]
        hidden = torch.cat([means, self.mixer.model.embed_tokens(asks)], dim=1)  # [B, N + K, C]
        place = torch.arange(hidden.shape[1], device=hidden.device)
        looks = (place < means.shape[1]) | (
            place == place[:, None]
        )  # at the means and itself: [N + K, N + K]
        inputs = AttentionInputs(rotation=None, visible=looks[None, None], cache=None, fresh=True)
        for layer in self.mixer.model.layers:
            hidden = layer(hidden, inputs)
        asked = self.mixer.model.norm(hidden)[:, means.shape[1] :]  # [B, K, C]
        return self.mixer.head(asked), self.pointer(asked) @ means.transpose(1, 2)
