"""Results that are too large for the store: where they are kept, and what stands in their place there."""
