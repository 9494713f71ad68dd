"""The page of Question 8."""

from pages.ui.study.study_page import question_page

question_page("Q8")
