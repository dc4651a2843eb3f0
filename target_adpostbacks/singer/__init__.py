"""The Singer side: the target that Meltano starts, its sinks and state, and the ledger as a tap."""
