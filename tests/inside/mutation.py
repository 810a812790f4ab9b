"""Takes the judge of one API away: its requests go to the broker as they are, and so do the answers to the client."""

from dataclasses import replace
from typing import Any

from kordon_proxy import table
from kordon_proxy.judging.verdict import Forward


def let_through(_: Any, __: Any) -> Any:
    return Forward()


def take_the_judge_of(name: str) -> None:
    (api,) = [api for api in table.APIS.values() if api.name == name]
    table.APIS[api.key] = replace(api, judge=let_through)  # type: ignore[index]
