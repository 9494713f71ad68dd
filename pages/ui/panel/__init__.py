"""A panel: its members' own pages, who is on it, where they differ, and all interviews compared."""
