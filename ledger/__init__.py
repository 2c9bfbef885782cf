"""The shared arithmetic of paid time: calendar steps, period bounds, the timeline of access. Pure."""
