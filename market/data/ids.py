"""Valid ids of products and users, one definition for stage clean and the service.

An id is part of a URL (`/api/products/{product_id}`): every id that clean keeps must be reachable.
"""

from __future__ import annotations

import re

LONGEST_ID = 200  # characters; many datasets use the URL of a page as its id

# Clients and proxies remove the path segments "." and "..", even percent-encoded, and control
# characters. The pattern is also in the JSON Schema of the API and must mean the same there, so it
# has no lookaheads and no \w.
_PLAIN = r"[^/\x00-\x1f\x7f-\x9f]"
_PLAIN_BUT_DOT = r"[^/.\x00-\x1f\x7f-\x9f]"
_SEGMENT = rf"(?:{_PLAIN_BUT_DOT}{_PLAIN}*|\.{_PLAIN_BUT_DOT}{_PLAIN}*|\.\.{_PLAIN}+|)"
ID_PATTERN = rf"^{_SEGMENT}(?:/{_SEGMENT})*$"

# The pattern that an id must match, by the reason to reject one that does not. A reason completes a
# sentence about the column.
ID_RULES = {
    f"has over {LONGEST_ID} characters": re.compile(rf"(?s:.{{1,{LONGEST_ID}}})"),
    "has a control character or the path segment '.' or '..'": re.compile(ID_PATTERN),
}
