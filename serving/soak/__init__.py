"""A long run of mixed load against the real service, and the verdict: no error, and memory that stays."""
