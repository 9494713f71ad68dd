"""The plots of Question 10, from results alone. Colours and fonts are the page's (see contract.py)."""

from __future__ import annotations

from labs.q10_grad_scaler.figures_costs import memory, speed
from labs.q10_grad_scaler.figures_steps import duel, orders, scaler
from labs.q10_grad_scaler.figures_window import window

__all__ = ["duel", "memory", "orders", "scaler", "speed", "window"]
