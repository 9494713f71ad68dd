"""The page of Question 7."""

from pages.ui.study_page import question_page

question_page("Q7")
