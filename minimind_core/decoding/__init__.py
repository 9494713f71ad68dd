"""Writing text with a model: the decode step in its forms, sampling, and the loops around them."""
