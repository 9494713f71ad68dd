"""A lab for the tests of the panel: an experiment with all optional parts, one without, one of views."""

from tests.pages.q99_line.line import Bare, Line, Look

EXPERIMENTS = (Line(), Bare(), Look())
