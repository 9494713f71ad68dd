"""The content: one folder a question, and the small loader that checks it.

Holds no page, no lab and no scoring; imports nothing of the rest.
"""

from questions.loader import PARTS, Question, QuestionError, load_questions

__all__ = ["PARTS", "Question", "QuestionError", "load_questions"]
