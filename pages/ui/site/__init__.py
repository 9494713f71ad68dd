"""What surrounds every page: frame, server, visitor, the person whose work it is."""
