"""Published models: their files, downloads, cards, Spaces."""
