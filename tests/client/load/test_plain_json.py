import dataclasses
import json
import math

import pytest
from triton_rag_client.load import ClosedLoop, Load, OpenLoop
from triton_rag_client.load.plain_json import from_plain, plain_json


@dataclasses.dataclass(frozen=True)
class Kept:
    loads: tuple[Load, ...]
    means: dict[str, float]
    note: str | None = None
    later: int = 7


KEPT = Kept((ClosedLoop(2), OpenLoop(0.5, "constant")), {"a": 1.5, "b": math.nan}, "why")


def test_what_was_written_is_read_with_nan_where_there_was_no_number() -> None:
    read = from_plain(Kept, json.loads(plain_json(dataclasses.asdict(KEPT))))
    assert read.loads == KEPT.loads
    assert (read.note, read.later) == ("why", 7)
    assert read.means == pytest.approx(KEPT.means, nan_ok=True)


def test_fields_of_a_later_version_are_left_out_and_missing_ones_have_their_default() -> None:
    assert from_plain(Kept, {"loads": [], "means": {}, "new": 1}) == Kept((), {})


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ([], r"Kept is \[\]"),
        ({"loads": []}, "Kept: .*means"),
        ({"loads": [{"concurrency": "two"}], "means": {}}, r"Kept\.loads\[0\] is "),
        ({"loads": [{"rate_per_s": 1, "arrivals": "bursts"}], "means": {}}, r"Kept\.loads\[0\] is "),
        ({"loads": [], "means": {"a": "b"}}, r"Kept\.means\.a is 'b'"),
        ({"loads": {}, "means": {}}, r"Kept\.loads is \{\}"),
    ],
)
def test_another_type_is_refused_with_its_place(content: object, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        from_plain(Kept, content)
