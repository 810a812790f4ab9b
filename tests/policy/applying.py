"""Does to a file what an explanation says: by its words alone, so that it shows whether the words are right."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import yaml

from kordon_policy.access import Access
from kordon_policy.draft import Change, Means
from kordon_policy.fixes import Fix
from kordon_policy.model import Compat, RuleRef, TemporaryRule
from kordon_policy.near import Coordinate, NearMiss
from kordon_policy.patterns import pattern
from kordon_policy.question import Question, World, judge
from kordon_policy.snapshot import Compiled, Snapshot
from tests.policy.given import a_document

Json = Any


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A file as JSON, who asks what, and what is lent."""

    file: Json
    question: Question
    temporary: tuple[TemporaryRule, ...] = ()
    inferred: Mapping[str, frozenset[str]] | None = None
    compat: Compat | None = None

    @cached_property
    def world(self) -> World:
        compiled = Compiled(a_document(json.dumps(self.file), self.compat))
        return World(compiled=compiled, temporary=self.temporary, inferred=self.inferred or {}, now=0)

    @cached_property
    def snapshot(self) -> Snapshot:
        return self.world.snapshot()

    @property
    def access(self) -> Access:
        return judge(self.question, self.world).access


def apply(fix: Fix, near: tuple[NearMiss, ...], to: Situation) -> Situation:
    """The situation after all changes of a fix."""
    now = replace(to, file=deepcopy(to.file))
    for change in fix.changes:
        now = replace(_apply(change, fix, near, now))  # a copy that has worked nothing out yet
    return now


def _apply(change: Change, fix: Fix, near: tuple[NearMiss, ...], to: Situation) -> Situation:
    file, question, text = to.file, to.question, change.text
    match change.means:
        case Means.TENANT:
            return replace(to, question=replace(question, tenant=text.removeprefix("log in to tenant ")))
        case Means.ROLE:
            who, role = text.removeprefix("give ").split(" role ")
            assert who == question.principal
            # He stays where he is, if he is in a tenant.
            tenant = judge(question, to.world).tenant_name
            return replace(
                to, question=replace(question, roles=question.roles | {role}, tenant=question.tenant or tenant)
            )
        case Means.LOGIN if text.endswith("authorized_roles"):
            role = text.removeprefix("add ").removesuffix(" to authorized_roles")
            file["authorized_roles"] = sorted({*to.world.compiled.authorized, role})
        case Means.LOGIN:
            role, tenant = text.removeprefix("add ").split(" to the roles of tenant ")
            _tenant(file, tenant)["roles"].append(role)
            return replace(to, question=replace(question, tenant=tenant))
        case Means.INCLUDE:
            path, tenant = text.removeprefix("include ").rsplit(" in tenant ", 1)
            _tenant(file, tenant)["resources"].append({"include": [yaml.safe_load(path)]})
        case Means.EXCLUDE:
            _leave_out(_at(file, change.at), question)
        case Means.DENY | Means.STAGE if text.startswith("revoke "):
            left = tuple(one for one in to.temporary if one.rule.ref != change.at)
            return replace(to, temporary=left)
        case Means.DENY | Means.STAGE:
            file["authorized_roles"] = sorted(to.world.compiled.authorized)  # the rule goes on naming them
            rule = _at(file, change.at)
            rule["roles"] = [one for one in rule["roles"] if one not in question.roles | {"*"}]
        case Means.GRANT:
            assert fix.grant is not None
            return replace(to, temporary=(*to.temporary, _lent(fix.grant["policy"])))
        case Means.RULE:
            file["policies"].append(yaml.safe_load(text.removeprefix("add a policy: ")))
        case Means.MEND:
            _mend(file, text, change.at, near)
    return to


def _lent(policy: Json) -> TemporaryRule:
    (rule,) = a_document(json.dumps({"policies": [policy]})).policies
    return TemporaryRule(id="new", rule=replace(rule, ref=RuleRef(place="new")), starts_ts=0, expires_ts=None)


def _mend(file: Json, text: str, at: RuleRef | None, near: tuple[NearMiss, ...]) -> None:
    rule = _at(file, at)
    if text.startswith("enforce it"):
        del rule["mode"], rule["shadow_until"]
    elif text.startswith("add role "):
        rule["roles"].append(text.removeprefix("add role "))
    elif text.startswith("add action "):
        rule["actions"] += text.removeprefix("add action ").split(", ")
    else:
        rule["resources"].append(yaml.safe_load(text.removeprefix("add resource ")))
    assert any(miss.rule == at and miss.wrong in set(Coordinate) for miss in near)


def _tenant(file: Json, name: str) -> Json:
    return next(tenant for tenant in file["tenants"] if tenant["name"] == name)


def _at(file: Json, ref: RuleRef | None) -> Json:
    """What stands at a place of a file: `tenants[0].resources[1]`."""
    assert ref is not None
    found = file
    for key, at in re.findall(r"(\w+)\[(\d+)]", ref.place):
        found = found[key][int(at)]
    return found


def _leave_out(item: Json, question: Question) -> None:
    """Take the paths away that exclude the thing."""
    kind = None if question.kind is None else question.kind.value

    def takes_away(path: Json) -> bool:
        if path == ["*"]:
            return True
        if path[0] != question.domain or path[1:2] not in ([], ["*"], [question.cluster]):
            return False
        if len(path) < 3:
            return True
        if path[2] != kind:
            return False
        return len(path) < 4 or not question.name or pattern(path[3]).matches(question.name)

    item["exclude"] = [path for path in item["exclude"] if not takes_away(path)] or [["ksqldb", "nowhere"]]
