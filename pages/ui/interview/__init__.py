"""Interviews that somebody leads: the console, the candidate's window, the scorecard, the line of events."""
