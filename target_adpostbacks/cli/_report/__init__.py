"""The page that ``adpostbacks report`` writes."""
