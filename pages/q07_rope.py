"""The page of Question 7. Its lab: one rotation closely, the spectrum, a shifted model, the length bench."""

from pages.ui.lab import bench
from pages.ui.study.study_page import question_page

EXPERIMENTS = ("q07/invariance", "q07/spectrum", "q07/shift", "q07/lengths", "q07/seeds")


def rotations() -> None:
    """The whole lab."""
    bench.lab(EXPERIMENTS)


question_page("Q7", rotations)
