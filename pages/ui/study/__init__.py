"""The steps of a question page, from the answer to the score."""
