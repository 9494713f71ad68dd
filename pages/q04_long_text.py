"""The page of Question 4."""

from pages.ui.study.study_page import question_page

question_page("Q4")
