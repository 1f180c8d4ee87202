"""The studio's pages, one file each; `studio/layout.py` puts them on the page, one tab each."""
