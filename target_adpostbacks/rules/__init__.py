"""A marketing team's own rules: their expressions, what they do to a conversion, and the presets."""
