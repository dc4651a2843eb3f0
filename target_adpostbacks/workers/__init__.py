"""Processes that only prepare: what a record comes to is found beside the run, which alone keeps order and sends."""
