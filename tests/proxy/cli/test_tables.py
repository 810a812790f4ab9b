"""Tables of the command: what one copies is never cut, however narrow the terminal is."""

import io
from typing import Final

import pytest

from kordon_proxy.cli.report import print_table
from kordon_proxy.cli.scheduled import print_mutations

ID: Final = "105b1aa4497c4efa8bae1c33b051fce4"
PATH: Final = "cluster/prod/group/trade_b2"
COLUMNS: Final = ("id", "state", "on", "why")
ROWS: Final = ((ID, "live", PATH, "a poison message that nobody can read"), (ID, "live", PATH, ""))


def printed(monkeypatch: pytest.MonkeyPatch, width: int | None) -> str:
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    print_table(COLUMNS, ROWS, stream)
    return stream.getvalue()


def test_a_table_that_fits_has_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 120).splitlines()

    assert [line.split()[0] for line in lines] == ["id", ID, ID]


def test_where_it_hardly_fits_only_the_last_column_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, 90).splitlines()

    assert [line.split()[:3] for line in lines if line.startswith(ID)] == [[ID, "live", PATH]] * 2
    assert len(lines) > 3


@pytest.mark.parametrize("width", [50, 80])
def test_where_it_does_not_fit_each_row_is_a_block_of_lines(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = printed(monkeypatch, width)

    first, second = text.split("\n\n")
    assert [line.split() for line in second.splitlines()] == [["id", ID], ["state", "live"], ["on", PATH]]
    assert [word for line in first.splitlines()[3:] for word in line.split()] == ["why", *ROWS[0][3].split()]
    assert max(map(len, text.splitlines())) <= width


def test_a_file_or_a_pipe_has_all_the_room_that_a_table_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, None).splitlines()

    assert [line.split()[0] for line in lines] == ["id", ID, ID]
    assert lines[1].rstrip().endswith(ROWS[0][3])


def test_a_reset_to_a_time_shows_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = dict.fromkeys(("topic", "partition", "count", "waits_for", "reason", "ticket", "ended"))
    who = {"id": ID, "state": "scheduled", "group": "trade_b2", "created_by": "ann", "until_ts": 0, "offsets": []}

    print_mutations([{**nothing, **who, "operation": "reset", "to": {"time": 1771988400000}}])

    assert "reset to 2026-02-25 03:00:00Z" in capsys.readouterr().out
