"""`kordon users`: make and change a users file.

What reads and writes it is imported where it is used: other commands need none of it.
"""

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kordon_proxy.config.findings import Refused
from kordon_proxy.config.quantities import spell_instant
from kordon_proxy.times import end_of

from .files import complaining_about
from .options import Format
from .report import MISTAKES, UNTRIED, Output, complain, json_text, print_table

if TYPE_CHECKING:
    from kordon_proxy.identity.users import User

app = typer.Typer(no_args_is_help=True, help="Make and change a users file. It holds hashes, never passwords.")


Name = Annotated[str, typer.Argument(help="The user.", show_default=False)]
File = Annotated[Path, typer.Option("--file", "-f", help="The users file.")]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it, and nothing else.")]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read the password from the first line of standard input.")]
Expires = Annotated[
    str | None, typer.Option(help="When the password ends: 90d, or 2027-01-31T12:00:00Z.", show_default=False)
]
USERS_FILE = Path("users.yaml")


@app.command()
def add(
    name: Name,
    file: File = USERS_FILE,
    role: Annotated[list[str] | None, typer.Option("--role", "-r", help="A role; once for each.")] = None,
    default_tenant: Annotated[str | None, typer.Option(help="The tenant where none is chosen.")] = None,
    expires: Expires = None,
    generate: Generate = False,
    stdin: Stdin = False,
) -> None:
    """Add a user. Makes the file where there is none."""
    from kordon_proxy.identity import users_edit

    with complaining_about(file):
        password = _password(generate=generate, stdin=stdin)
        ends = end_of(expires, "password")
        with users_edit.edit(file, create=True) as content:
            users_edit.add_user(
                content, name, password, roles=tuple(role or ()), default_tenant=default_tenant, expires=ends
            )
        unable = "" if role else ", who has no role and can log in only with one from a groups file"
        _tell(f"added {name}{unable}", password if generate else None)


@app.command()
def remove(name: Name, file: File = USERS_FILE) -> None:
    """Remove a user. Connections of his end at their next request."""
    from kordon_proxy.identity import users_edit

    with complaining_about(file), users_edit.edit(file) as content:
        users_edit.remove_user(content, name)
    _tell(f"removed {name}")


@app.command()
def passwd(
    name: Name, file: File = USERS_FILE, expires: Expires = None, generate: Generate = False, stdin: Stdin = False
) -> None:
    """Replace the password of a user. Who is connected with the old one is out at the next request."""
    from kordon_proxy.identity import users_edit

    with complaining_about(file):
        password, ends = _password(generate=generate, stdin=stdin), end_of(expires, "password")
        with users_edit.edit(file) as content:
            users_edit.set_password(content, name, password, expires=ends)
        _tell(f"changed the password of {name}", password if generate else None)


@app.command()
def rotate(
    name: Name, file: File = USERS_FILE, expires: Expires = None, generate: Generate = False, stdin: Stdin = False
) -> None:
    """Give a user a second password, so that clients can move to it one by one. Then: retire."""
    from kordon_proxy.identity import users_edit

    with complaining_about(file):
        password, ends = _password(generate=generate, stdin=stdin), end_of(expires, "password")
        with users_edit.edit(file) as content:
            made = users_edit.rotate(content, name, password, expires=ends)
        _tell(
            f"added password {made} to {name}; the old one goes on until `kordon users retire {name}`",
            password if generate else None,
        )


@app.command()
def retire(
    name: Name,
    file: File = USERS_FILE,
    credential: Annotated[str | None, typer.Option("--id", help="Which one. Default: the older.")] = None,
) -> None:
    """Take one of two passwords away."""
    from kordon_proxy.identity import users_edit

    with complaining_about(file), users_edit.edit(file) as content:
        gone = users_edit.retire(content, name, credential)
    _tell(f"retired password {gone} of {name}")


@app.command("list")
def list_users(file: File = USERS_FILE, output: Format = Output.TABLE) -> None:
    """Show users, roles, and the ids of their passwords."""
    from kordon_proxy.identity.users import load_users

    with complaining_about(file):
        loaded = load_users(file)
        if loaded.users is None:
            raise Refused(loaded.findings)
        users = list(loaded.users.by_name.values())
        if output is Output.JSON:
            sys.stdout.write(f"{json_text([_as_json(user) for user in users])}\n")
        else:
            print_table(("user", "roles", "default tenant", "passwords"), map(_as_row, users))


def _password(*, generate: bool, stdin: bool) -> str:
    from kordon_proxy.identity import users_edit

    if generate and stdin:
        complain("either --generate or --stdin")
        raise typer.Exit(UNTRIED)
    if generate:
        return users_edit.new_password()
    if stdin:
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        complain("there is no terminal to ask for a password on: use --stdin or --generate")
        raise typer.Exit(UNTRIED)
    password = getpass.getpass("Password: ")
    users_edit.check_password(password)
    if getpass.getpass("Again: ") != password:
        complain("the two passwords differ")
        raise typer.Exit(MISTAKES)
    return password


def _tell(done: str, password: str | None = None) -> None:
    """Say on standard error what was done; only a password that was made goes to standard output."""
    sys.stderr.write(f"{done}\n")
    if password is not None:
        sys.stdout.write(f"{password}\n")


def _as_json(user: "User") -> dict[str, object]:
    return {
        "name": user.name,
        "roles": sorted(user.roles),
        "default_tenant": user.default_tenant,
        "credentials": [
            {"id": credential.id, "expires": None if credential.expires is None else spell_instant(credential.expires)}
            for credential in user.credentials
        ],
    }


def _as_row(user: "User") -> tuple[str, ...]:
    passwords = [
        credential.id if credential.expires is None else f"{credential.id} until {spell_instant(credential.expires)}"
        for credential in user.credentials
    ]
    return user.name, ", ".join(sorted(user.roles)), user.default_tenant or "", ", ".join(passwords)
