"""What a client sees: paths, bodies, answers and errors. Decides nothing about who is let in."""
