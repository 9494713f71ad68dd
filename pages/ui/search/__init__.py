"""What the search looks through, and the line that shows what it found."""
