"""Scenarios as data: lives of one subscription in YAML, run in memory or on the live stack."""
