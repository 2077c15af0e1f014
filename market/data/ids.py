"""What an id of a product or a user may be: one definition for `clean` and for the service.

An id is part of an address (`/api/products/{product_id}`), so whatever `clean` lets in must be
reachable by one.
"""

from __future__ import annotations

import re

LONGEST_ID = 200  # characters; a page's whole address is a common id

# Clients and proxies fold the path segments "." and ".." away, even where they are percent-encoded,
# and control characters do not survive them. JSON Schema, which describes the API, must read this
# as Python does: no lookaheads, no \w.
_PLAIN = r"[^/\x00-\x1f\x7f-\x9f]"
_PLAIN_BUT_DOT = r"[^/.\x00-\x1f\x7f-\x9f]"
_SEGMENT = rf"(?:{_PLAIN_BUT_DOT}{_PLAIN}*|\.{_PLAIN_BUT_DOT}{_PLAIN}*|\.\.{_PLAIN}+|)"
ID_PATTERN = rf"^{_SEGMENT}(?:/{_SEGMENT})*$"

# By the reason why an id is refused that does not match: a sentence whose subject is the column.
ID_RULES = {
    f"has over {LONGEST_ID} characters": re.compile(rf"(?s:.{{1,{LONGEST_ID}}})"),
    "has a control character or the path segment '.' or '..'": re.compile(ID_PATTERN),
}
