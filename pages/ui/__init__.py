"""What the pages are made of, a folder a topic. Arrows run `study` → `lab` → `site` → `words`; `settings` → `site`."""
