"""A request that is refused before it reaches the pages."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response


class Refuse(Exception):
    """A refusal: the request ends with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def refuse(status: int, detail: str) -> Refuse:
    """Make a refusal whose answer is JSON."""
    return Refuse(JSONResponse({"detail": detail}, status))
