"""The plots of Question 10, from results alone. Colours and fonts are the page's (see contract.py)."""

from __future__ import annotations

from labs.q10_grad_scaler.figures_window import window

__all__ = ["window"]
