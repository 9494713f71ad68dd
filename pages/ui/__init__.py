"""What the pages are made of. Arrows run `study` → `lab` → `site` → `words`, and `settings` → `site`."""
