"""The site's few lines of Python: Markdown extensions, one hook, and what lies beside the pages."""
