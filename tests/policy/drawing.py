"""Random files and questions whose names collide."""

from hypothesis import strategies as st

from kordon_policy.actions import KINDS, Action, Domain, Kind

ROLES = ("devs", "owners", "svc")
CLUSTERS = ("prod", "dev", "lkc-1")

# Few letters, so that names and patterns meet.
patterns = st.one_of(
    st.text("ab*", min_size=1, max_size=5),
    st.text("ab_*", min_size=1, max_size=4).map(lambda text: f"__{text}"),
    st.sampled_from(["*", "__*", "_*", "__kordon*", "__kordon_audit_log", "**"]),
)
names = st.one_of(
    st.text("ab", max_size=6),
    st.text("ab_", max_size=4).map(lambda text: f"__{text}"),
    st.text("ab*", min_size=1, max_size=4),  # a star in a name is a letter
    st.sampled_from(["__kordon", "__kordon_audit_log", "__a"]),
)


@st.composite
def paths(draw: st.DrawFn) -> list[str]:
    if draw(st.integers(0, 9)) == 0:
        return ["*"]
    domain = draw(st.sampled_from([Domain.CLUSTER] * 3 + list(Domain)))
    types = [Kind.TOPIC, Kind.GROUP] * 2 + list(KINDS[domain]) if domain is Domain.CLUSTER else list(KINDS[domain])
    path = [domain, draw(st.sampled_from(["*", "*", *CLUSTERS, "pro*"])), draw(st.sampled_from(types)), draw(patterns)]
    return [str(element) for element in path[: draw(st.sampled_from([1, 2, 3, 4, 4, 4, 4, 4]))]]


some_roles = st.lists(st.sampled_from([*ROLES, "*"]), min_size=1, max_size=3)
# Mostly few, so that rules meet, and umbrellas with their parts among them.
COMMON = [Action.TOPIC_INSPECT, *Action.TOPIC_INSPECT.parts, Action.TOPIC_EDIT, Action.GROUP_EDIT, Action.PRODUCER_EDIT]
COMMON += [Action.SCHEMA_EDIT, *Action.SCHEMA_EDIT.parts, Action.CONNECT_EDIT, *Action.CONNECT_EDIT.parts]
actions = st.sampled_from(COMMON * 5 + list(Action))
some_actions = st.lists(actions.map(str), min_size=1, max_size=5)
some_paths = st.lists(paths(), min_size=1, max_size=4)
policies = st.fixed_dictionaries(
    {
        "effect": st.sampled_from(["Allow", "Allow", "Deny", "Stage", "ALLOW", "deny"]),
        "actions": some_actions,
        "resources": some_paths,
        "roles": some_roles,
    },
    optional={"mode": st.just("shadow")},
).map(lambda rule: {**rule, "shadow_until": "2026-01-31"} if "mode" in rule else rule)
items = st.one_of(
    st.fixed_dictionaries({"include": some_paths}),
    st.fixed_dictionaries({"include": some_paths}),
    st.fixed_dictionaries({"exclude": some_paths}),
)
tenants = st.fixed_dictionaries(
    {"name": st.just("Trading"), "resources": st.lists(items, min_size=1, max_size=5), "roles": some_roles}
)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Action, Kind | None, str, frozenset[str], frozenset[str]]:
    action = draw(actions)
    # Mostly questions that make sense.
    kind = draw(st.sampled_from(action.kinds) if draw(st.integers(0, 9)) else st.sampled_from([None, *Kind]))
    roles = draw(st.frozensets(st.sampled_from(ROLES)))
    return action, kind, draw(names), roles, draw(st.frozensets(st.sampled_from(CLUSTERS), min_size=1))
