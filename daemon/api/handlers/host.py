"""Handlers of the daemon itself: health, info, the description of the API, and the sign-in of console users."""

from __future__ import annotations

import time

import psutil
from fastapi import Request
from starlette.responses import JSONResponse, Response

from daemon.api.context import ApiServices, CallDep, ServicesDep
from daemon.api.openapi import document
from daemon.core.errors import Invalid, VecwardError
from daemon.core.units import mib
from daemon.core.version import version
from daemon.core.wire import Health, HostMemory, Info, SignedIn, SignIn, parse


async def health(services: ServicesDep) -> Health:
    return Health(version=version(), uptime_s=round(time.monotonic() - services.manager.started_at, 3))


async def info(services: ServicesDep, call: CallDep) -> Info:
    caller = call.known_caller
    admin = services.access.is_admin(caller)
    return Info(
        version=version(),
        isolation=services.manager.config.isolation,
        lacking=services.manager.launcher.lacking(),
        disk=services.manager.launcher.disk_bound(),
        admin=admin,
        caller=sorted(caller.principals),
        paths=_paths(services) if admin else {},
        memory=_memory() if admin else None,
        tenants=len(services.access.visible(caller)),
    )


def _paths(services: ApiServices) -> dict[str, str]:
    paths = services.manager.paths
    return {
        "etc": str(paths.etc),
        "state": str(paths.state),
        "log": str(paths.log),
        "run": str(paths.run),
        "tenants_d": str(services.manager.tenants_dir),
    }


def _memory() -> HostMemory:
    memory = psutil.virtual_memory()
    return HostMemory(total_mb=mib(memory.total), available_mb=mib(memory.available))


async def openapi(request: Request) -> Response:
    return JSONResponse(document(request.app))


async def sign_in(services: ServicesDep, call: CallDep, request: Request) -> SignedIn:
    asked = _read(await request.body())
    call.principal = "user:?"  # what was typed may be a password in the wrong field: only a known name is written down
    try:
        name, session = await services.sign_ins.check(asked, call.address)
    except VecwardError:
        call.principal = services.authenticator.principal_if_known(asked.name)
        raise
    call.principal = f"user:{name}"
    admin = services.authenticator.identity(name).is_admin(services.manager.config)
    return SignedIn(name=name, session=session, admin=admin)


def _read(body: bytes) -> SignIn:
    try:
        return parse(SignIn, body)
    except Invalid as error:  # its value may hold the password
        raise Invalid(error.message, **{**error.details, "value": "…"}) from None
