"""The page of Question 10. Its lab: gradients in FP16's window, the scaler, its bugs, a duel, costs."""

from pages.ui import bench
from pages.ui.study_page import question_page

EXPERIMENTS = ("q10/window",)


def mixed_precision() -> None:
    """The whole lab."""
    bench.lab(EXPERIMENTS)


question_page("Q10", mixed_precision)
