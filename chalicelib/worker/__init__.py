"""The competing consumer: takes messages, runs handlers, commits what they did."""
