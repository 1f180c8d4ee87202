"""Sounds and clips: their files, and what can be heard and seen in them, as plain arrays."""
