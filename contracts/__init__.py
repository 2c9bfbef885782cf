"""What the services say to each other: messages, values, topics, provider policies. Pure data, no I/O, no clock."""
