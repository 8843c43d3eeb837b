"""Reading of logs by one group of operators besides root: a POSIX ACL with defaults for what comes later.

Logs are root's and 0640; the ACL gives a group reading and nothing else, and never touches a tenant's data.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from daemon.core.errors import StartRefused


async def let_group_read(folder: Path, group: str) -> None:
    """Give `group` the right to read `folder` and everything that is or will be below it.

    Raises StartRefused: setfacl is missing, the group is unknown, or the file system has no ACLs.
    """
    entry = f"group:{group}:rX"
    command = ["setfacl", "--recursive", "--physical", "--modify", f"{entry},default:{entry}", str(folder)]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError:
        raise StartRefused(
            "cannot let logs.group read the logs: setfacl is missing; install the package acl, or remove logs.group"
        ) from None
    _, stderr = await process.communicate()
    if process.returncode != 0:
        said = stderr.decode("utf-8", "replace").strip()
        raise StartRefused(
            f"cannot let the group {group} read {folder} ({said}); name a group of this host in logs.group, or "
            "keep the logs on a file system with POSIX ACLs"
        )
