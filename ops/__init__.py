"""What operators use: the `tenure` command, and the supervisor, clock and quiet check behind it."""
