"""How any service runs: consumer, inbox, outbox and relay, due scan, dead letters, health. No business word."""
