"""The page of Question 10."""

from pages.ui.study_page import question_page

question_page("Q10")
