"""Records of a topic, for whoever may query its data: `kordon inspect`."""

from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from kordon_policy.actions import Action, Kind
from kordon_proxy.inspection.audited import asked_parameters, read_parameters
from kordon_proxy.inspection.errors import InspectionError
from kordon_proxy.inspection.request import Request, read_request

from .bodies import Body, documented
from .caller import Calling
from .metadata import Metadata, metadata_of
from .tenants import seen_by
from .trail import judge, record
from .working import Working

router: Final = APIRouter(prefix="/clusters/{cluster}/inspect", tags=["records"])


class Inspected(BaseModel):
    """What was found; docs/inspect.md describes it."""

    inspected: dict[str, Any]
    metadata: Metadata


@router.post("", operation_id="inspect", response_model=Inspected, openapi_extra=documented(Request))
async def inspect(process: Working, caller: Calling, cluster: str, body: Body) -> Response:
    """Show records of a topic. No group is joined and nothing is committed. It takes TOPIC_DATA_QUERY on the topic."""
    inspection = read_request(body)
    upstream, _ = seen_by(process, caller, cluster)
    rules = await judge(process, caller, Action.TOPIC_DATA_QUERY, upstream, Kind.TOPIC, inspection.topic)
    path = ("cluster", upstream.name, Kind.TOPIC.value, inspection.topic)
    try:
        found = await process.inspector.read(upstream.name, inspection, by=caller.identity.principal)
    except InspectionError as error:
        parameters = asked_parameters(inspection) | {"problem": str(error)}
        await record(process, caller, Action.TOPIC_DATA_QUERY, path, rules=rules, parameters=parameters)
        raise
    # It may have taken seconds, in which the right has ended.
    rules = await judge(process, caller, Action.TOPIC_DATA_QUERY, upstream, Kind.TOPIC, inspection.topic)
    # Nobody is shown a record before it is on disk that he was.
    parameters = read_parameters(inspection, found)
    await record(process, caller, Action.TOPIC_DATA_QUERY, path, rules=rules, parameters=parameters)
    # As the worker wrote it: to read megabytes and write them again would hold up everybody else.
    parts = (b'{"inspected":', found.to_json(), b',"metadata":', metadata_of(caller).model_dump_json().encode(), b"}")
    return Response(b"".join(parts), media_type="application/json")
