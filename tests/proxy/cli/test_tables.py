"""Tables of the command: what one copies is never cut, however narrow the terminal is."""

import io
from typing import Final

import pytest

from kordon_proxy.cli.report import print_table
from kordon_proxy.cli.scheduled import SCHEDULED
from kordon_proxy.cli.staged import STAGED

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

    SCHEDULED.print_rows([{**nothing, **who, "operation": "reset", "to": {"time": 1771988400000}}])

    assert "reset to 2026-02-25 03:00:00Z" in capsys.readouterr().out


def a_staged(*things: str, **changes: object) -> dict[str, object]:
    nothing = dict.fromkeys(("waits_for", "approved_by", "approval_reason", "ended"))
    demands = [{"action": "TOPIC_DELETE", "kind": "topic", "name": name, "beginning": False} for name in things]
    seen = {"action": None, "kind": "topic", "name": "tx_seen", "beginning": False}
    what = {"api": "DeleteTopics", "request": {"topics": list(things)}, "demands": [*demands, seen]}
    who = {"id": ID, "state": "pending", "cluster": "prod", "created_by": "dee", "expires_ts": 0}
    return {**nothing, **who, **what, **changes}


@pytest.mark.parametrize(
    ("mutation", "shown"),
    [
        (a_staged("tx_old"), "DeleteTopics in prod  topic tx_old  "),
        (a_staged("a", "b", "c", "d"), "DeleteTopics in prod  topic a, topic b and 2 more  "),
        (
            a_staged(
                api="ScheduledMutation",
                request={"operation": "skip", "topic": "tx_trade1", "partition": 3, "count": 1},
                demands=[{"action": "GROUP_EDIT", "kind": "group", "name": "trade_b2", "beginning": False}],
            ),
            "skip of tx_trade1-3 in prod  group trade_b2  ",
        ),
        (a_staged(demands=[{"action": "CLUSTER_EDIT", "kind": None, "name": None}]), "in prod  the cluster  "),
    ],
)
def test_what_is_staged_is_shown_with_what_it_is_about(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mutation: dict[str, object], shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    STAGED.print_rows([mutation])

    assert shown in capsys.readouterr().out
