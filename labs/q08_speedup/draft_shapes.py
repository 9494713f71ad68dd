"""Shapes of drafts for the 26M: wide and shallow ones, and a deep one with as many weights. No torch."""

from __future__ import annotations

from minimind_core.model.config import ModelConfig, swiglu_width

TARGET = ModelConfig()
_HALF = TARGET.hidden_size // 2
SHAPES = {
    "wide_1": TARGET.replace(num_layers=1),
    "wide_2": TARGET.replace(num_layers=2),
    "narrow_6": TARGET.replace(
        hidden_size=_HALF,
        num_heads=TARGET.num_heads // 2,
        num_layers=6,
        intermediate_size=swiglu_width(_HALF),
    ),
}
