"""The copy buttons, in the page: Material's script has all laid out anew at each that it adds.

So it has for each block whose width it asks, and for each table that it puts in a box: it does not
get to know the article. The boxes come from docs/extensions/finish.py, keys reach what scrolls by
docs/theme/assets/copy.js.
"""

import itertools
import json
import re

TITLE = re.compile(r'"clipboard\.copy": ("[^"]*")')  # among the words that Material's script gets
ARTICLE = ' data-md-component="content"'  # by which that script would find it
# Nobody pastes an error. What Pygments puts first keeps an empty line that a block begins with.
RESULT = r'(?P<result><div class="language-text result\b[^>]*>(?:(?!<pre).)*)?'
BLOCK = re.compile(rf"{RESULT}(?P<pre><pre[^>]*>)<span></span><code(?! id)", re.S)


def with_buttons(html):
    """Return the HTML of a page with a button in each block, as Material's script makes them.

    That script answers a button that is pressed: it knows one by ``data-clipboard-target``.
    """
    title = json.loads(TITLE.search(html)[1])
    numbers = itertools.count()

    def with_button(block):
        if block["result"]:
            return f"{block['result']}{block['pre']}<code"
        name = f"code-{next(numbers)}"
        button = f'<button class="md-code__button" title="{title}" data-md-type="copy"'
        button += f' data-clipboard-target="#{name}"></button>'
        return f'{block["pre"]}<div class="md-code__nav">{button}</div><code id="{name}"'

    return BLOCK.sub(with_button, html.replace(ARTICLE, ""))
