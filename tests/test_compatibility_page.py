"""The page of what differs from Kafka's ACLs says what the proof expects."""

from tests.compatibility_page import PAGE, page
from tests.kafka.equivalence_table import DIFFERENCES


def test_the_page_is_what_the_table_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.compatibility_page writes it anew"


def test_no_difference_is_told_twice() -> None:
    titles = [difference.title for difference in DIFFERENCES]

    assert len(titles) == len(set(titles))
