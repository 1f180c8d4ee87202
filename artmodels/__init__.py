"""From a folder of artworks to a published art generator."""

__version__ = "0.1.0"
