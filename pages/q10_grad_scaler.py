"""The page of Question 10. Its lab: gradients in FP16's window, the scaler, its bugs, a duel, costs."""

import streamlit as st

from pages.ui.lab import bench
from pages.ui.site import server
from pages.ui.study.study_page import question_page
from pages.ui.words.i18n import t

EXPERIMENTS = ("q10/window", "q10/scaler", "q10/orders", "q10/duel", "q10/memory", "q10/speed")


def mixed_precision() -> None:
    """The whole lab."""
    if server.worker().status().device == "cpu":
        st.caption(t("q10.lead_cpu"))
    bench.lab(EXPERIMENTS)


question_page("Q10", mixed_precision)
