"""Question 10: mixed precision. Which gradients FP16 loses, and what a loss scale gives back."""

from __future__ import annotations

from labs.q10_grad_scaler.duel import Duel
from labs.q10_grad_scaler.memory import Memory
from labs.q10_grad_scaler.orders import Orders
from labs.q10_grad_scaler.scaler import Scaler
from labs.q10_grad_scaler.speed import Speed
from labs.q10_grad_scaler.window import Window

EXPERIMENTS = (Window(), Scaler(), Orders(), Duel(), Memory(), Speed())
