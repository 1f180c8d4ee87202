"""From seeds, styles, blends and prompts to pictures, films and files."""
