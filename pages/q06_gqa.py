"""The page of Question 6."""

from pages.ui.study_page import question_page

question_page("Q6")
