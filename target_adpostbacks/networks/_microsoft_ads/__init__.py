"""The parts of ``networks.microsoft_ads``: a module for each API, for what they share, and for the settings."""
