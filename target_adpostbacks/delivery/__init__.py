"""Batches in, verdicts out: deduplicates, sends, retries, and writes down what became of each postback."""
