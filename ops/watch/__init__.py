"""The operators' watch over the topics: rates, latencies, populations, and the live auditor."""
