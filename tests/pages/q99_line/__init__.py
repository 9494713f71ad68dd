"""A lab for the tests of the panel: an experiment with all optional parts, one without, one of views."""

EXPERIMENTS = ("line", "bare", "look")
