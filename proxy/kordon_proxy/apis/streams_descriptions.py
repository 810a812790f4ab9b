"""StreamsGroupDescribe (89): a Streams group from outside, with its topology and its members.

Topics are cut to the view, and where a source is hidden so are the tasks of that part of the topology: their count is
that of the topic's partitions. Endpoints for interactive queries are the applications' own and stay.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import told
from kordon_proxy.judging.operations import group_operations
from kordon_proxy.judging.texts import without_free_text
from kordon_proxy.judging.verdict import Verdict

from .groups import HOST, judge_described_or_missing, visible


def judge_describe(request: Any, may: May) -> Verdict:
    """Kafka describes no group that uses a topic which the client may not see; here it is described without it."""
    return judge_described_or_missing(request, may, _mend_described)


def _mend_described(group: Any, may: May) -> Any:
    tell, hidden = told(may, group.group_id), _parts_with_hidden_sources(group.topology, may)
    return replace(
        without_free_text(group),
        topology=_cut_topology(group.topology, may),
        members=tuple(
            _without_tasks(replace(member, member_id=tell(member.member_id), client_host=HOST), hidden)
            for member in group.members
        ),
        authorized_operations=group_operations(may, group.group_id, group.authorized_operations),
    )


def _parts_of(topology: Any) -> tuple[Any, ...]:
    return () if topology is None else topology.subtopologies or ()


def _parts_with_hidden_sources(topology: Any, may: May) -> frozenset[str]:
    keep = visible(may)
    return frozenset(
        part.subtopology_id
        for part in _parts_of(topology)
        if not all(map(keep, (*part.source_topics, *(topic.name for topic in part.repartition_source_topics))))
    )


def _cut_topology(topology: Any, may: May) -> Any:
    parts = tuple(_cut_part(part, visible(may)) for part in _parts_of(topology))
    return replace(topology, subtopologies=parts) if parts else topology


def _cut_part(part: Any, keep: Callable[[str], bool]) -> Any:
    return replace(
        part,
        source_topics=tuple(filter(keep, part.source_topics)),
        repartition_sink_topics=tuple(filter(keep, part.repartition_sink_topics)),
        state_changelog_topics=tuple(topic for topic in part.state_changelog_topics if keep(topic.name)),
        repartition_source_topics=tuple(topic for topic in part.repartition_source_topics if keep(topic.name)),
    )


def _without_tasks(member: Any, parts: frozenset[str]) -> Any:
    """The member without what it does for these parts of the topology."""
    if not parts:
        return member
    return replace(
        member,
        task_offsets=_others(member.task_offsets, parts),
        task_end_offsets=_others(member.task_end_offsets, parts),
        **{
            which: replace(
                assignment,
                active_tasks=_others(assignment.active_tasks, parts),
                standby_tasks=_others(assignment.standby_tasks, parts),
                warmup_tasks=_others(assignment.warmup_tasks, parts),
            )
            for which, assignment in (
                ("assignment", member.assignment),
                ("target_assignment", member.target_assignment),
            )
        },
    )


def _others(tasks: tuple[Any, ...], parts: frozenset[str]) -> tuple[Any, ...]:
    return tuple(task for task in tasks if task.subtopology_id not in parts)
