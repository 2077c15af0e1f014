"""One definition of an id for stage clean and the service."""

from __future__ import annotations

import re

from sample_ids import ODD_IDS, REFUSED_IDS, id_error

from market.data.ids import ID_PATTERN, LONGEST_ID


def test_id_rules() -> None:
    assert [text for text in ODD_IDS if id_error(text)] == []
    assert {text: id_error(text) for text in REFUSED_IDS} == REFUSED_IDS
    # The pattern in the OpenAPI schema agrees.
    for text in [*ODD_IDS, *REFUSED_IDS]:
        as_described = re.search(ID_PATTERN, text) and len(text) <= LONGEST_ID
        assert bool(as_described) == (id_error(text) is None), text
