"""What was done so far: where each question stands, earlier attempts, calibration, documents to take away."""
