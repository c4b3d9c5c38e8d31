"""What a training did, read from the frameworks' own logs, and what came of it."""
