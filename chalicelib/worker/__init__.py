"""The competing consumer: it takes messages, runs handlers, and commits their results."""
