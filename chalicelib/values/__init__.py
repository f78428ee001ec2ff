"""Results that are too large for the store: where they are kept, and the reference to them in the store."""
