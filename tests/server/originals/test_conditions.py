"""What is sent of a file, by the conditions and the range that a request has."""

import pytest

from hookfetch.server.originals.conditions import Part, http_date, part_of

ETAG = '"ab"'
MODIFIED = 1_700_000_000
DATE, EARLIER, LATER = (http_date(MODIFIED + seconds) for seconds in (0, -60, 60))
WHOLE = Part(200, 0, 10)


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({}, WHOLE),
        ({"If-None-Match": ETAG}, Part(304)),
        ({"If-None-Match": f'"x", W/{ETAG}'}, Part(304)),
        ({"If-None-Match": "*"}, Part(304)),
        ({"If-None-Match": '"abc"'}, WHOLE),
        ({"If-None-Match": "ab"}, WHOLE),
        ({"If-None-Match": '"x"', "If-Modified-Since": LATER}, WHOLE),
        ({"If-Modified-Since": DATE}, Part(304)),
        ({"If-Modified-Since": EARLIER}, WHOLE),
        ({"If-Modified-Since": "yesterday"}, WHOLE),
        ({"If-Match": ETAG}, WHOLE),
        ({"If-Match": f"W/{ETAG}"}, Part(412)),
        ({"If-Match": '"x"'}, Part(412)),
        ({"If-Unmodified-Since": EARLIER}, Part(412)),
        ({"If-Unmodified-Since": DATE}, WHOLE),
        ({"Range": "bytes=2-4"}, Part(206, 2, 5)),
        ({"Range": "bytes=2-"}, Part(206, 2, 10)),
        ({"Range": "bytes=2-99"}, Part(206, 2, 10)),
        ({"Range": "bytes=-3"}, Part(206, 7, 10)),
        ({"Range": "bytes=-99"}, Part(206, 0, 10)),
        ({"Range": "bytes=10-"}, Part(416)),
        ({"Range": "bytes=-0"}, Part(416)),
        ({"Range": "bytes=4-2"}, WHOLE),
        ({"Range": "bytes=-"}, WHOLE),
        ({"Range": "bytes=0-1,4-5"}, WHOLE),
        ({"Range": "lines=0-1"}, WHOLE),
        ({"Range": f"bytes={'9' * 40}-"}, WHOLE),
        ({"Range": "bytes=2-4", "If-Range": ETAG}, Part(206, 2, 5)),
        ({"Range": "bytes=2-4", "If-Range": '"x"'}, WHOLE),
        ({"Range": "bytes=2-4", "If-Range": f"W/{ETAG}"}, WHOLE),
        ({"Range": "bytes=2-4", "If-Range": DATE}, Part(206, 2, 5)),
        ({"Range": "bytes=2-4", "If-Range": EARLIER}, WHOLE),
        ({"Range": "bytes=2-4", "If-None-Match": ETAG}, Part(304)),
    ],
)
def test_a_request_is_answered_by_its_conditions_first_and_then_by_its_range(
    headers: dict[str, str], part: Part
) -> None:
    assert part_of(headers, ETAG, MODIFIED, 10) == part


def test_of_an_empty_file_there_is_no_range() -> None:
    assert part_of({"Range": "bytes=0-"}, ETAG, MODIFIED, 0) == Part(416)
    assert part_of({}, ETAG, MODIFIED, 0) == Part(200, 0, 0)
