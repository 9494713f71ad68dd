"""What a person sees: one file a page, shared pieces in `ui/`."""
