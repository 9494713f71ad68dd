"""Interviews that somebody leads: console, candidate's window, panel, scorecard, the line of events."""
