"""The page of Question 6. Its lab: decoding with fewer KV heads, their cache, wiring, and what they cost."""

from pages.ui.lab import bench
from pages.ui.study.study_page import question_page

EXPERIMENTS = (
    "q06/decode",
    "q06/cache",
    "q06/wiring",
    "q06/layer",
    "q06/quality",
    "q06/convert",
    "q06/seeds",
)


def heads() -> None:
    """The whole lab."""
    bench.lab(EXPERIMENTS)


question_page("Q6", heads)
