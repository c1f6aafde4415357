"""What a screen reader is told of a page: its languages, and no landmarks that are none."""

import re

# Material makes a landmark of each list in the sidebar, and calls those that are open collapsed.
# The list gets its name, for Material's script, too, which looks for it.
SECTION = re.compile(
    r'(<nav class="md-nav" data-md-level="\d+") (aria-labelledby="\w+") aria-expanded="\w+">'
    r'(.*?<ul) class="md-nav__list"',
    re.S,
)
CONTENTS = re.compile(r'<nav class="md-nav" aria-label="[^"]*">')
CHINESE = '<html lang="zh"'
# Code that has words, and what is quoted, on a Chinese page: in a browser's English voice.
ENGLISH = re.compile(
    r"<(pre|blockquote|code)>(?=(?:(?!</\1>).)*?[A-Za-z]{2,} [a-z]{2,} [a-z]{2,})"
    r"(?=(?:(?!</\1>)[^\u3000-\u9fff\uff00-\uffef])*</\1>)",
    re.S,
)


def spoken(text):
    """Return the HTML of a page with its languages named and its sidebar made of lists."""
    text = SECTION.sub(r'\1 role="none">\3 \2 class="md-nav__list"', text)
    text = CONTENTS.sub('<nav class="md-nav" role="none">', text)
    if CHINESE in text:
        text = text.replace(CHINESE, '<html lang="zh-Hans"', 1)
        text = ENGLISH.sub(r'<\1 lang="en">', text)
    return text
