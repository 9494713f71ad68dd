"""The page of Question 11."""

from pages.ui.study.study_page import question_page

question_page("Q11")
