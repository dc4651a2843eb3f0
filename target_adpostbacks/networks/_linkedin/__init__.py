"""The parts of LinkedIn's module."""
