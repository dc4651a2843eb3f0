"""The parts of ``generic``: templates, their macros and filters, its settings and its presets."""
