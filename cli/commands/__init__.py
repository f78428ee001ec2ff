"""The commands of `dag`, by what they are about."""
