"""What a person sees: the menu, the pages that decide something of their own, and in `ui/` their parts."""
