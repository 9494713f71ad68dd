"""The content: one folder a question, and the small loader that checks it.

Start with README.md. Holds no page, no lab and no scoring; imports nothing of the rest.
"""

from questions.claims import Claim
from questions.interview import Cue, FollowUp, Prediction, RubricLine, Tier, WrongAnswer
from questions.limits import Limits
from questions.loader import (
    PARTS,
    Header,
    Question,
    QuestionError,
    load_headers,
    load_question,
    load_questions,
)
from questions.prose import OFTEN_SAID, SPOKEN
from questions.render import Renderer
from questions.symbols import Symbol
from questions.tickets import Variation
from questions.values import Tolerance, Value

__all__ = [
    "OFTEN_SAID",
    "PARTS",
    "SPOKEN",
    "Claim",
    "Cue",
    "FollowUp",
    "Header",
    "Limits",
    "Prediction",
    "Question",
    "QuestionError",
    "Renderer",
    "RubricLine",
    "Symbol",
    "Tier",
    "Tolerance",
    "Value",
    "Variation",
    "WrongAnswer",
    "load_headers",
    "load_question",
    "load_questions",
]
