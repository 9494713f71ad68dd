"""The page of Question 12."""

from pages.ui.study.study_page import question_page

question_page("Q12")
