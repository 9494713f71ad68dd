"""The cards of the review checklist: what a person answered, and the card that is asked."""
