"""The page of Question 1."""

from pages.ui.study.study_page import question_page

question_page("Q1")
