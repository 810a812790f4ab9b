"""Prints what the policy answers, from the same values that programs get."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

from kordon_proxy.times import shown_date

from .report import shown

SHOWN: Final = 3
"""Exceptions, names and things of one kind that a row shows, unless all are wanted."""
PAIRS: Final = 20
"""Pairs of roles that are shown, unless all are wanted."""
STYLES: Final = {"allowed": "bold green", "staged": "bold yellow", "denied": "bold red", "hidden": "bold red"}
PASSES: Final = {True: "passes", False: "FAILS", None: "-"}
EVERYBODY: Final = "*"
OTHERS: Final = "any other"
"""What stands for the clusters that nothing names."""

Answer = Mapping[str, Any]


class _Page:
    """Lines with styles. Colour says nothing that words do not."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._heading = ""

    def heading(self, text: str) -> None:
        """What the lines below are about, once for all that follow each other."""
        if text != self._heading:
            self.line(text, style="bold")
        self._heading = text

    def line(self, text: str = "", style: str = "", indent: int = 0) -> None:
        from rich.text import Text

        self._console.print(Text(f"{' ' * indent}{shown(text)}", style=style))

    def lead(self, word: str, style: str, rest: str) -> None:
        """A line that begins with a word in colour."""
        from rich.text import Text

        self._console.print(Text.assemble((word, style), shown(rest)))


# ---- explain


def print_explanation(answer: Answer, stream: TextIO, *, full: bool = False) -> None:
    """Print why somebody may or may not do something."""
    page = _Page(stream)
    page.lead(answer["answer"], STYLES[answer["answer"]], f": {answer['reason']}")
    page.line(_asked(answer["question"]), indent=2)
    page.line()
    for step in answer["steps"]:
        page.line(f"{step['step']:<7}{PASSES[step['pass']]:<8}{step['text']}", indent=2)
        near = step["near"] if full else step["near"][:SHOWN]
        for miss in near:
            page.line(f"nearly: {_near(miss)}", indent=17)
        if more := len(step["near"]) - len(near) + step["more_near"]:
            page.line(f"and {more} more that miss by one thing{_full(full)}", indent=17)
    _print_when(page, answer)
    _print_fixes(page, answer, full=full)
    _print_event(page, answer.get("event"))
    _print_notes(page, answer)


def _asked(question: Answer) -> str:
    roles = f" ({', '.join(question['roles'])})" if question["roles"] else ""
    where = f"in tenant {question['tenant']}" if question["tenant"] else "in no tenant"
    return f"{question['principal']}{roles} {where}: {question['action'] or 'VIEW'} on {'/'.join(question['path'])}"


def _near(miss: Answer) -> str:
    has, wants = miss["has"], miss["wants"]
    slip = f" ({miss['slip']})" if miss["slip"] else ""
    told = {
        "mode": "is in mode: shadow",
        "principal": f"is for {has} alone",
        "role": f"is for {has}, not for {wants or 'somebody without roles'}",
        "cluster": f"is about cluster {has}, not {wants}",
        "action": f"is about {has}, not {wants}",
        "type": f"is about a {has}, not {'the cluster' if wants == 'none' else f'a {wants}'}",
        "name": f"is about {has}, not {wants}",
    }[miss["wrong"]]
    return f"{miss['rule']['text']} {told}{slip}"


def _print_when(page: _Page, answer: Answer) -> None:
    lines = []
    if turn := answer["changes_at"]:
        by = _list(rule["text"] for rule in turn["rules"])
        lines.append(f"at {shown_date(turn['ts'])} it turns: {turn['answer']} then, by {by}")
    if rules := answer["rests_on"]:
        alone = ", and on nothing else: without it, the answer is no" if len(rules) == 1 else ""
        lines.append(f"it rests on {_list(rule['text'] for rule in rules)}{alone}")
    if shadow := answer["shadow"]:
        lines.append(f"if shadow policies were in force: {shadow['answer']}, as {shadow['reason']}")
    if answer["answer"] == "staged":
        lines.append("it is done when an administrator who may do it himself approves")
    if lines:
        page.line()
    for line in lines:
        page.line(line, indent=2)


def _print_fixes(page: _Page, answer: Answer, *, full: bool) -> None:
    if answer["no_grant"]:
        page.line()
        page.line(answer["no_grant"], indent=2)
    if not answer["fixes"]:
        return
    page.line()
    page.line("what would let it be done, each tried on a copy:")
    for number, fix in enumerate(answer["fixes"], start=1):
        page.line(f"{number}. {fix['text']}", indent=2)
        for line in (*_opens(fix["opens"], full=full), *_command(fix["grant"])):
            page.line(line, indent=5)
    if answer["untried"]:
        page.line(f"and {answer['untried']} near misses and roles that were not tried", indent=2)


def _opens(opens: Answer, *, full: bool) -> list[str]:
    if opens["nothing_else"]:
        return ["opens nothing else"]
    what = "opens at most" if opens["at_most"] else "opens besides"
    rows = opens["rows"] if full else opens["rows"][:SHOWN]
    lines = [f"{what}: {_opened(row, full=full)}" for row in rows]
    if more := len(opens["rows"]) - len(rows):
        lines.append(f"and {more} more{_full(full)}")
    return [*lines, *(f"note: {note}" for note in opens["notes"])]


def _opened(row: Answer, *, full: bool) -> str:
    who = "everybody" if EVERYBODY in row["who"] else ", ".join(row["who"])
    things = _things(row["type"], row["names"], full=full)
    return f"{who}: {', '.join(row['actions'])} on {things}, {_in_clusters(row['clusters'])}"


def _command(grant: Answer | None) -> list[str]:
    """The grant as a command to copy, where every word of it is a plain one."""
    if grant is None:
        return []
    policy = grant["policy"]
    path = "/".join(policy["resource"])
    words = (policy["role"], *policy["actions"], path)
    if not all(
        word.isprintable() and word.replace("-", "a").replace("/", "a").replace(".", "a").isidentifier()
        for word in words
    ):
        return []
    return [f"kordon grant {policy['role']} {' '.join(policy['actions'])} --on {path} --for 1h"]


def _print_event(page: _Page, event: Answer | None) -> None:
    if event is None:
        return
    page.line()
    when = f"event {event['id']} of {event['time']}"
    if event["same_reason"]:
        page.line(f"{when} says the same", indent=2)
    else:
        same = "the same answer by other words" if event["same_answer"] else "otherwise"
        page.line(f"{when} says {same}: {event['effect']}, {event['reason']}", indent=2)
    if event["resources"] > 1:
        page.line(f"it is about {event['resources']} things, and this is the first: name another with a PATH", indent=2)


# ---- who can, what can


def print_who_can(answer: Answer, stream: TextIO, *, full: bool = False) -> None:
    """Print who may do something."""
    page = _Page(stream)
    question = answer["question"]
    kind, action = question["type"], question["action"]
    if not answer["roles"]:
        page.line(f"no role may do {action} there")
    for row in answer["roles"]:
        only = "" if row["action"] == action else f" ({row['action']} alone)"
        page.heading(f"{_role(row)}{only}")
        _print_names(page, row, kind, full=full)
    less = answer["less"] if full else answer["less"][:PAIRS]
    for row in less:
        page.heading(_both(row))
        page.line(_less(row, kind, full=full), indent=2)
    if more := len(answer["less"]) - len(less):
        page.line(f"and {more} more that roles take from each other (--full)")
    if answer["people"]:
        page.line()
        page.line("people who are known:")
    for row in answer["people"]:
        page.heading(f"{row['principal']} ({', '.join(row['roles'])})")
        _print_names(page, row, kind, full=full)
    _print_completeness(page, answer)


def print_what_can(answer: Answer, stream: TextIO, *, full: bool = False) -> None:
    """Print what somebody may do."""
    page = _Page(stream)
    if answer["refused"]:
        page.line(f"of no use: {answer['refused']}")
    elif not answer["tenants"]:
        page.line("none of the roles is in a tenant: an empty cluster")
    if not answer["rights"]:
        page.line("nothing is allowed")
    for row in answer["rights"]:
        page.heading(", ".join(row["actions"]))
        _print_names(page, row, row["type"], full=full)
    _print_completeness(page, answer)


def _print_names(page: _Page, row: Answer, kind: str | None, *, full: bool) -> None:
    """On which names, by which rules, where."""
    waits = "after approval: " if row["answer"] == "staged" else ""
    if row["names"]:
        page.line(f"{waits}{_things(kind, row['names'], full=full)}", indent=2)
    if row["if_read"]:
        told = f"if a visible group reads it: {_things(kind, row['if_read'], full=full)}"
        page.line(f"{waits}{told}", indent=2)
    where = f"in tenant {', '.join(row['tenants'])}, {_in_clusters(row['clusters'])}"
    besides = [f"for who has {' or '.join(roles)} besides" for roles in row.get("needs", ())]
    rules = [f"by {_by(row['rules'], full=full)}"] if "rules" in row else []
    page.line(", ".join([*rules, where, *besides, *_end(row)]), indent=2, style="dim")


def _role(row: Answer) -> str:
    role = "everybody" if row["role"] == EVERYBODY else row["role"]
    return role if row["principal"] is None else f"{role} ({row['principal']} alone)"


def _both(row: Answer) -> str:
    one, other = ("everybody" if role == EVERYBODY else role for role in (row["role"], row["other"]))
    alone = f" ({row['principal']} alone)" if row["principal"] else ""
    return one + alone if row["role"] == row["other"] else f"{one} + {other}{alone}"


def _less(row: Answer, kind: str | None, *, full: bool) -> str:
    verb = {"Deny": "denied", "Stage": "staged"}[row["effect"]]
    end = "" if row["until"] is None else f", until {shown_date(row['until'])}"
    things = _things(kind, row["names"], full=full)
    return f"less {things}, {_in_clusters(row['clusters'])} ({verb} by {_by(row['rules'], full=full)}{end})"


def _end(row: Answer) -> list[str]:
    if row.get("until") is not None:
        return [f"until {shown_date(row['until'])}"]
    return ["until it is revoked"] if row.get("temporary_policy") else []


def _print_completeness(page: _Page, answer: Answer) -> None:
    page.line()
    if answer["complete"]:
        page.line("complete over all names")
    else:
        page.line("not complete:")
        for why in answer["incomplete"]:
            page.line(why, indent=2)
    if answer["holds_until"] is not None:
        page.line(f"holds until {shown_date(answer['holds_until'])}: a temporary policy starts or ends then")
    _print_notes(page, answer)


# ---- parts


def _things(kind: str | None, cells: Sequence[Answer], *, full: bool) -> str:
    """Names of one TYPE, in words."""
    if kind is None:
        return "the cluster as a whole"
    told = [_cell(kind, cell, full=full) for cell in (cells if full else cells[:SHOWN])]
    more = len(cells) - len(told)
    return "; ".join(told) + (f"; and {more} more (--full)" if more else "")


def _cell(kind: str, cell: Answer, *, full: bool) -> str:
    word = kind.replace("transactional-id", "transactional id")
    if cell["exact"]:
        names = f"{word} {cell['names']}"
    elif cell["names"] == "*":
        names = f"any {word}"
    else:
        names = f"{word.removesuffix('y')}{'ies' if word.endswith('y') else 's'} {cell['names']}"
    but = cell["except"] if full else cell["except"][:SHOWN]
    more = len(cell["except"]) - len(but)
    if not but:
        return names
    return f"{names} except {', '.join(but)}" + (f" and {more} more (--full)" if more else "")


def _in_clusters(names: Sequence[str]) -> str:
    known = [name for name in names if name != OTHERS]
    others = ["every other"] if OTHERS in names else []
    if not known:
        return "in every other cluster"
    return f"in cluster {' and '.join([', '.join(known), *others])}"


def _by(rules: Sequence[Answer], *, full: bool) -> str:
    told = [rule["text"] for rule in (rules if full else rules[:SHOWN])]
    more = len(rules) - len(told)
    return ", ".join(told) + (f" and {more} more (--full)" if more else "")


def _list(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _full(full: bool) -> str:
    return "" if full else " (--full)"


def _print_notes(page: _Page, answer: Answer) -> None:
    for note in answer.get("notes", ()):
        page.line(f"note: {note}", style="dim")
