"""What experiments share: drawing, models, budgets, texts to read, timing. No experiment of its own."""
