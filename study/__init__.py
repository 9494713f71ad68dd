"""The study domain without a screen: what an answer is worth, and how good a prediction was.

Knows the content (`questions`) and nothing of pages or labs; results of labs arrive as plain numbers.
"""
