"""The one way into the daemon from Python; needs no model library, no FastAPI and no Gradio.

``with Client(Path("/run/vecward/daemon.sock")) as client: client.search("acme", "lost my password")``
"""

from daemon.client.async_client import AsyncClient
from daemon.client.sync_client import Client
from daemon.core.errors import DaemonUnreachable, VecwardError

__all__ = ["AsyncClient", "Client", "DaemonUnreachable", "VecwardError"]
