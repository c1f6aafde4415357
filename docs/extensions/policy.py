"""The Content-Security-Policy of a page: nothing loads from another host, no script is written in.

Material has inline scripts that differ from page to page; each page allows its own by their hashes.
No page connects to anything, not even here: the search asks for its index in a worker, which has no
page's policy.
"""

import base64
import hashlib
import re

INLINE = re.compile(r"<script>(.*?)</script>", re.S)  # other types are data, which nobody runs
FIRST = '<meta charset="utf-8">'
POLICY = '<meta http-equiv="Content-Security-Policy" content="{}">'

RULES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # blocks tell their length in a style, which has no hash
    "img-src": "'self' data:",  # Material's icons are masks in its style sheet
    "font-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


def with_policy(html):
    """Return a page's HTML with its policy, which comes before all that it is about, once."""
    if POLICY.partition("{")[0] in html:
        return html
    digests = (hashlib.sha256(script.encode()).digest() for script in INLINE.findall(html))
    hashes = {f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests}
    rules = RULES | {"script-src": " ".join([RULES["script-src"], *sorted(hashes)])}
    policy = "; ".join(f"{name} {sources}" for name, sources in rules.items())
    return html.replace(FIRST, f"{FIRST}\n      {POLICY.format(policy)}", 1)
