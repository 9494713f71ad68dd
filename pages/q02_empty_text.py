"""The page of Question 2."""

from pages.ui.study.study_page import question_page

question_page("Q2")
