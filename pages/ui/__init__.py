"""Shared pieces of the pages: frame, language, server hooks, charts, job progress."""
