"""`kordon tokens`: make and change a file of bearer tokens for the admin API.

What reads and writes it is imported where it is used: other commands need none of it.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kordon_proxy.config.findings import Refused
from kordon_proxy.config.quantities import spell_instant
from kordon_proxy.times import end_of

from .files import complaining_about
from .options import Format
from .report import Output, json_text, print_table

if TYPE_CHECKING:
    from kordon_proxy.identity.tokens import Token

app = typer.Typer(
    no_args_is_help=True, help="Make and change a file of bearer tokens for the admin API. It holds hashes, no tokens."
)

File = Annotated[Path, typer.Option("--file", "-f", help="The tokens file.")]
TOKENS_FILE = Path("tokens.yaml")


@app.command()
def add(
    principal: Annotated[str, typer.Argument(help="Whose token it is.", show_default=False)],
    file: File = TOKENS_FILE,
    role: Annotated[list[str] | None, typer.Option("--role", "-r", help="A role; once for each.")] = None,
    default_tenant: Annotated[str | None, typer.Option(help="The tenant where none is chosen.")] = None,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, or 2027-01-31T12:00:00Z.", show_default=False)
    ] = None,
) -> None:
    """Add a token and print it, and nothing else. Makes the file where there is none. It is not shown again."""
    from kordon_proxy.identity import tokens_edit

    with complaining_about(file):
        ends = end_of(expires, "token")
        with tokens_edit.edit(file, create=True) as content:
            token_id, text = tokens_edit.add_token(
                content, principal, roles=tuple(role or ()), default_tenant=default_tenant, expires=ends
            )
        unable = "" if role else "; it has no role and opens nothing without one from a groups file"
        sys.stderr.write(f"added token {token_id} of {principal}{unable}\n")
        sys.stdout.write(f"{text}\n")


@app.command()
def remove(
    token: Annotated[str, typer.Argument(help="The token's id.", show_default=False)], file: File = TOKENS_FILE
) -> None:
    """Take a token away. The next call that it is used for is refused."""
    from kordon_proxy.identity import tokens_edit

    with complaining_about(file), tokens_edit.edit(file) as content:
        tokens_edit.remove_token(content, token)
    sys.stderr.write(f"removed {token}\n")


@app.command("list")
def list_tokens(file: File = TOKENS_FILE, output: Format = Output.TABLE) -> None:
    """Show whose tokens there are, with their ids and roles."""
    from kordon_proxy.identity.tokens import load_tokens

    with complaining_about(file):
        loaded = load_tokens(file)
        if loaded.tokens is None:
            raise Refused(loaded.findings)
        tokens = list(loaded.tokens.by_id.values())
    if output is Output.JSON:
        sys.stdout.write(f"{json_text([_as_json(token) for token in tokens])}\n")
    else:
        rows = [(one.id, one.principal, _listed(one), one.default_tenant or "", _end(one) or "never") for one in tokens]
        print_table(("token", "principal", "roles", "default tenant", "ends"), rows)


def _listed(token: "Token") -> str:
    return ", ".join(sorted(token.roles))


def _end(token: "Token") -> str | None:
    return None if token.expires is None else spell_instant(token.expires)


def _as_json(token: "Token") -> dict[str, object]:
    return {
        "id": token.id,
        "principal": token.principal,
        "roles": sorted(token.roles),
        "default_tenant": token.default_tenant,
        "expires": _end(token),
    }
