"""The site's few lines of Python: Markdown extensions and one hook."""
