"""A copy of the policy with changes on it, to be judged again before anybody is told of them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kordon_policy.access import is_in_view
from kordon_policy.decision import listed, printable
from kordon_policy.matching import Matching
from kordon_policy.model import EVERYBODY, EVERYTHING, Document, Path, RuleRef, Tenant
from kordon_policy.opens import NOTHING_ELSE, Before, Opens
from kordon_policy.patterns import STAR, literal
from kordon_policy.question import Question, Ruled, World
from kordon_policy.snapshot import Compiled
from kordon_policy.view import View

_FIRST_VISIBLE = " "  # below it stand the control letters, which no file has in a name


class Means(StrEnum):
    """What is changed."""

    TENANT = "tenant"  # another one is chosen at login
    LOGIN = "login"  # a role may log in, or be in a tenant
    INCLUDE = "include"
    EXCLUDE = "exclude"
    DENY = "deny"
    STAGE = "stage"
    GRANT = "grant"
    RULE = "rule"
    MEND = "mend"
    ROLE = "role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to change, as a sentence, and where; `None`: it stands nowhere yet."""

    means: Means
    text: str
    at: RuleRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question that was answered with no, and what there is to know of it."""

    question: Question
    world: World
    ruled: Ruled
    matching: Matching
    before: Before

    @property
    def names(self) -> frozenset[str]:
        """All names of the cluster that is asked about."""
        return self.world.cluster(self.question.cluster, self.question.domain).names

    @property
    def admin(self) -> bool:
        """Is it an administrator who asks?"""
        return self.ruled.snapshot.is_admin(self.question.held)

    @property
    def hidden(self) -> bool:
        """Is it not in his view? That may be so of what he is refused for another reason, too."""
        return not sees(self.ruled.view, self.question)


Opening = Callable[[], Opens]
"""Works out what a change opens besides, when somebody wants to know."""


def meaning(*notes: str) -> Opening:
    """What a change means beyond policies."""
    return lambda: Opens(notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Question and world as some changes have made them, and what each of the changes opens besides.

    grant: the body to ask for a temporary policy with, where one is among them.
    """

    question: Question
    world: World
    changes: tuple[Change, ...] = ()
    openings: tuple[Opening, ...] = ()
    grant: Mapping[str, Any] | None = None

    def then(self, change: Change, opening: Opening | None = None, **made: Any) -> "Draft":
        """The draft with one change more; `made`: what it makes of question, world and grant."""
        openings = self.openings if opening is None else (*self.openings, opening)
        return replace(self, changes=(*self.changes, change), openings=openings, **made)

    @property
    def opens(self) -> Opens:
        """What all of the changes open besides."""
        found = NOTHING_ELSE
        for opening in self.openings:
            found += opening()
        return found

    @property
    def document(self) -> Document:
        """The file as it would be."""
        return self.world.compiled.document

    def with_document(self, document: Document) -> World:
        """The world with another file."""
        return replace(self.world, compiled=Compiled(document))

    def with_tenant(self, before: Tenant, after: Tenant) -> World:
        """The world with another tenant in the place of one."""
        tenants = tuple(after if one is before else one for one in self.document.tenants)
        return self.with_document(replace(self.document, tenants=tenants))


def sees(view: View, question: Question) -> bool:
    """Is what is asked about in this view, in the way that the action needs?"""
    return is_in_view(view, question.kind, question.name, explicit=question.explicit)


def exact_path(question: Question) -> Path | None:
    """The path of the very thing that is asked about; `None` where no file can name it."""
    kind, name = question.kind, question.name
    whole = Path(domain=question.domain, domain_id=question.cluster)
    if kind is None or name is None:
        return whole
    if (kind, name) in EVERYTHING:
        return replace(whole, kind=kind)
    if not name or STAR in name or any(letter < _FIRST_VISIBLE for letter in name):
        return None
    return replace(whole, kind=kind, name=literal(name))


def elements(path: Path) -> tuple[str, ...]:
    """A path as it is written in a file."""
    found = [path.domain.value if path.domain else STAR]
    if path.domain_id is not None or path.kind is not None:
        found.append(path.domain_id or STAR)
    if path.kind is not None:
        found.append(path.kind.value)
    if path.name is not None:
        found.append(path.name.text)
    return tuple(found)


def written(path: Path) -> str:
    """A path as it is written in YAML, on one line."""
    return f"[{', '.join(map(quoted, elements(path)))}]"


def quoted(text: str) -> str:
    """A name as YAML takes it, in quotes unless it is a plain word."""
    plain = text.replace("-", "").replace("_", "").isalnum() and text[0].isalpha()
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return text if plain and text.isascii() else f'"{escaped}"'


def people(roles: Collection[str]) -> str:
    """Whom a rule is for, in a sentence."""
    if EVERYBODY in roles:
        return "everybody"
    return listed(printable(role) for role in sorted(roles)) or "nobody"
