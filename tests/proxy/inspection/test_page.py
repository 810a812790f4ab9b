"""What the page says of bounds and words is what the code has."""

import base64
import json
import re
from pathlib import Path

from kordon_proxy.inspection.asked import Format
from kordon_proxy.inspection.bounds import LONGEST_FILTER, MOST_RECORDS, Bounds, FieldBounds
from kordon_proxy.inspection.found import FoundRecord, Stop
from kordon_proxy.inspection.inspector import AT_ONCE
from kordon_proxy.inspection.unpack import MOST

PAGE = (Path(__file__).parents[3] / "docs/inspect.md").read_text()
UNITS = {"": 1, "s": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def test_the_bounds_of_the_page_are_those_of_the_code() -> None:
    table = PAGE.partition("## Bounds")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([\d,]+) ?(\w*) \|", table, re.MULTILINE)

    assert [int(number.replace(",", "")) * UNITS[unit] for number, unit in rows] == [
        MOST_RECORDS,
        Bounds().answer,
        FieldBounds().field,
        MOST,
        Bounds().scanned,
        Bounds().fetched,
        Bounds().seconds,
        LONGEST_FILTER,
        AT_ONCE,
    ]
    assert f"has {Bounds().memory >> 20} MiB of memory" in PAGE


def test_the_record_of_the_page_is_one() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    record = json.loads(text)

    assert FoundRecord.from_answer(record).to_answer() == record
    assert [len(base64.b64decode(record[name]["base64"])) for name in ("key", "value")] == [8, 6]


def test_every_format_and_every_reason_to_stop_is_on_the_page() -> None:
    words = [*Stop, *(one for one in Format if one is not Format.AUTO), "avro", "json-schema", "protobuf"]

    assert [word for word in words if f"`{word}`" not in PAGE] == []
