"""The page of Question 3."""

from pages.ui.study.study_page import question_page

question_page("Q3")
