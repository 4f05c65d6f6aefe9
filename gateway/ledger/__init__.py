"""The ledger: Redis and its scripts, the journal, and the embedded store."""
