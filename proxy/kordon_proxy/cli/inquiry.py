"""Of what a question about the policy is asked, of files or of a running Kordon, and how the answer is shown."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kordon_proxy.clock import wall_ms
from kordon_proxy.config.findings import Mistake

from .calling import taking
from .client import Failure, client_of, print_json
from .options import DEFAULT_URL, CaFile, Format, TokenFile, Url
from .report import UNTRIED, Output

if TYPE_CHECKING:
    from kordon_proxy.explaining.source import Source

FILES: Final = "Which files"
_CONFIG: Final = Path("kordon.yaml")
Config = Annotated[
    Path, typer.Option("--config", "-c", help="The kordon.yaml that names policy and users.", rich_help_panel=FILES)
]
Policy = Annotated[
    Path | None,
    typer.Option("--policy", help="A policy file alone, without users.", show_default=False, rich_help_panel=FILES),
]
Live = Annotated[
    bool, typer.Option("--live", help="Ask a running Kordon, which knows what is granted and what groups read.")
]
Full = Annotated[bool, typer.Option("--full", help="Leave nothing out of the table.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """How one question is asked, as options say it. live: of a running Kordon, and not of files."""

    config: Config = _CONFIG
    policy: Policy = None
    live: Live = False
    url: Url = DEFAULT_URL
    token_file: TokenFile = None
    ca: CaFile = None
    full: Full = False
    output: Format = Output.TABLE

    def ask_files(self, now: int | None = None) -> "Source":
        """What is asked, of files. now: ms since the epoch. Raises Failure."""
        from .explain_source import read_source

        return read_source(self.config, self.policy, now=wall_ms() if now is None else now)

    def ask_running(self, path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a running Kordon answers. Raises Mistake, and Failure, of which the exit code is that of no answer."""
        if self.policy is not None:
            raise Mistake("--live asks by the policy that a running Kordon has: leave --policy out")
        try:
            client = client_of(self.url, self.token_file, None, self.ca)
            answer: dict[str, Any] = client.call("POST", path, body=asked)["explained"]
        except Failure as failure:
            raise Failure(str(failure), UNTRIED, failure.findings) from None
        return answer

    def show(self, answer: Mapping[str, Any], print_answer: Callable[..., None]) -> None:
        """Print the answer. print_answer: does that for people."""
        if self.output is Output.JSON:
            print_json(answer)
        else:
            print_answer(answer, sys.stdout, full=self.full)


asking: Final = taking(Inquiry)
"""Make a command of a function that takes an inquiry."""
