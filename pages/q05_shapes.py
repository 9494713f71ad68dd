"""The page of Question 5."""

from pages.ui.study.study_page import question_page

question_page("Q5")
