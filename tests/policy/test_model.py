"""The values of the policy language."""

from kordon_policy.model import RuleRef


def test_a_rule_is_told_by_the_name_of_its_file_alone() -> None:
    assert str(RuleRef(place="policies[0]", source="/etc/kordon/rbac.yaml", line=3)) == "policies[0] (rbac.yaml:3)"
