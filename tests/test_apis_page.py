"""The page of all APIs says what the code does, and of each API all that it has to say."""

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.refused import WITHOUT_SCHEMA
from kordon_proxy.apis.versions import LOCAL
from kordon_proxy.table import APIS
from tests.apis_page import PAGE, PROOFS, ROOT, page
from tests.proxy.fields import ADMITTED


def test_the_page_is_what_the_code_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.apis_page writes it anew"


def test_the_page_has_each_key_once() -> None:
    keys = [line.split("|")[1].strip() for line in page().splitlines() if line.startswith("| ")]

    assert [int(key) for key in keys if key.isdecimal()] == sorted({*APIS, *LOCAL, *WITHOUT_SCHEMA}) == list(range(95))


@pytest.mark.parametrize("key", ADMITTED, ids=lambda key: ApiKey(key).name)
def test_each_row_says_what_its_answer_gives_away_and_what_it_needs(key: ApiKey) -> None:
    assert ADMITTED[key].gives_away
    assert ADMITTED[key].needs is not None


def test_proofs_are_there_and_cover_all_that_is_admitted_and_all_that_is_refused() -> None:
    assert all((ROOT / proof.file).is_file() and proof.keys for proof in PROOFS)
    covered = {proof.name: proof.keys for proof in PROOFS}
    assert covered["fields"] == ADMITTED.keys()
    assert covered["refused"] == {key for key, api in APIS.items() if api.judge is None}
    for key in ADMITTED:
        assert key in covered["isolation"] | covered["lists"] | covered["telemetry"] or key in covered["random"]
