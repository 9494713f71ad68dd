"""The claims of the questions, checked: what a check is, what it came to, and the runs on record."""
