"""The check of a YAML document against a pydantic model; each refusal names file, line and field."""

from __future__ import annotations

import difflib
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon.core.config.strict_yaml import Document, Location, refuse
from daemon.core.wire import allowed_of


class ConfigModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


class NotAllowed(ValueError):
    """A validator's refusal of a value: `problem` goes on after the field's name, `allowed` says the way out."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(f"{problem}; allowed: {allowed}")
        self.problem = problem
        self.allowed = allowed


C = TypeVar("C", bound=ConfigModel)


def check(model: type[C], document: Document) -> C:
    """Return the document as a model; raises InvalidConfig about the first field that is wrong."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location: Location = first["loc"]
        name = ".".join(map(str, location)) or "file"
        problem, allowed = _explain(first, _fields_at(model, location[:-1]))
        refuse(document.path, document.line_of(location), name, first["input"], allowed, problem)


def _explain(first: Any, fields: list[str]) -> tuple[str, str]:
    """Return the problem and what is allowed, of one error of pydantic's."""
    ctx = first.get("ctx") or {}
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"is not a known field{hint}", ", ".join(fields)
    if isinstance(refusal := ctx.get("error"), NotAllowed):
        return refusal.problem, refusal.allowed
    return first["msg"], allowed_of(first).removeprefix("Input should be ")


def _fields_at(model: type[BaseModel], location: Location) -> list[str]:
    """Return the names of the fields that a mapping at this place may have."""
    current: type[BaseModel] = model
    for part in location:
        info = current.model_fields.get(str(part))
        annotation: Any = info.annotation if info else None
        options = [annotation, *getattr(annotation, "__args__", ())]  # Optional[Model] holds the model
        found = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
        if not found:
            return []
        current = found[0]
    return sorted(current.model_fields)
