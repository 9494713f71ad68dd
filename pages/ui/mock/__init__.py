"""The page of mock interviews: set one up, answer, look back."""
