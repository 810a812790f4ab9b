"""The whole API as one application, with its OpenAPI document at `/admin/v1/openapi.json`."""

from importlib import metadata
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from . import explaining, groups, principals, records, scheduled_mutations, staged_mutations, system, temporary_policies
from .bodies import Bounded
from .problems import RESPONSES, handle_problems
from .process import Process

PREFIX: Final = "/admin/v1"
PARTS: Final = (
    *(temporary_policies, scheduled_mutations, staged_mutations),
    *(groups, records, explaining, principals, system),
)
DESCRIPTION: Final = """\
What people do with a running Kordon. Each call comes with a bearer token, is judged in a tenant (the header
`Kordon-Tenant`, else the token's own) by the policies that hold on the wire, and is in the audit.
"""


def create_app(process: Process) -> FastAPI:
    """The application. It belongs to the event loop of the process."""
    app = FastAPI(
        title="Kordon",
        version=metadata.version("kordon"),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        middleware=[Middleware(Bounded)],
        redirect_slashes=False,
    )
    app.state.process = process
    handle_problems(app)
    routes = APIRouter(prefix=PREFIX, responses=RESPONSES)
    for part in PARTS:
        routes.include_router(part.router)
    app.include_router(routes)
    return app
