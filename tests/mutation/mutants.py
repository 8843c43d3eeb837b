"""Small changes of a module, each of which a test must notice: operators, constants, entries of tables, statements."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Edit = Callable[[Any], ast.AST | None]  # what takes a node's place; None: nothing does

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


@dataclass(frozen=True)
class Mutant:
    """A changed module, as a tree that can be compiled."""

    line: int
    words: str
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    tree = ast.parse(source)
    for at, node in enumerate(ast.walk(tree)):
        for words, edit in _edits(node, tree):
            changed = copy.deepcopy(tree)
            _replace(changed, list(ast.walk(changed))[at], edit)
            yield Mutant(getattr(node, "lineno", 0), words, ast.fix_missing_locations(changed))


def _replace(tree: ast.AST, target: ast.AST, edit: Edit) -> None:
    made = edit(target)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, name, made)
            elif isinstance(value, list) and any(one is target for one in value):
                value[:] = [made if one is target else one for one in value]


def _edits(node: ast.AST, tree: ast.Module) -> Iterator[tuple[str, Edit]]:
    if type(node) in _KINDS:
        yield from _KINDS[type(node)](node, tree)


def _with(**fields: Any) -> Edit:
    def edit(node: Any) -> ast.AST:
        for name, value in fields.items():
            setattr(node, name, value)
        return node  # type: ignore[no-any-return]

    return edit


def _comparison(node: ast.Compare, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    made = _COMPARISONS[type(node.ops[0])]
    yield f"{ast.unparse(node)}: {made.__name__}", _with(ops=[made(), *node.ops[1:]])


def _junction(node: ast.BoolOp, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    made = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    yield f"{ast.unparse(node)}: {type(made).__name__}", _with(op=made)


def _negation(node: ast.UnaryOp, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    if isinstance(node.op, ast.Not):
        yield f"{ast.unparse(node)}: without not", lambda same: same.operand


def _constant(node: ast.Constant, tree: ast.Module) -> Iterator[tuple[str, Edit]]:
    if isinstance(node.value, str) and not _is_docstring(node, tree):
        yield f"{node.value!r}: other words", _with(value=f"XX{node.value}XX")
    elif isinstance(node.value, bool):
        yield f"{node.value}: not", _with(value=not node.value)
    elif isinstance(node.value, int | float):
        yield f"{node.value}: one more", _with(value=node.value + 1)


def _is_docstring(node: ast.Constant, tree: ast.Module) -> bool:
    return any(isinstance(one, ast.Expr) and one.value is node for one in ast.walk(tree))


def _entries(node: ast.Dict, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    for at, key in enumerate(node.keys):
        yield f"without the entry {ast.unparse(key or node.values[at])}", _without(at, "keys", "values")


def _members(node: ast.Set, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    for at, member in enumerate(node.elts):
        yield f"without {ast.unparse(member)}", _without(at, "elts")


def _without(at: int, *lists: str) -> Edit:
    def edit(node: Any) -> ast.AST:
        for name in lists:
            del getattr(node, name)[at]
        return node  # type: ignore[no-any-return]

    return edit


def _sibling(node: ast.Attribute, tree: ast.Module) -> Iterator[tuple[str, Edit]]:
    """Another member of the same enumeration, the next that the module names."""
    if not node.attr.isupper() or not isinstance(node.value, ast.Name):
        return
    base = node.value.id
    found = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == base]
    members = sorted({name for name in found if name.isupper()})
    if len(members) > 1:
        other = members[(members.index(node.attr) + 1) % len(members)]
        yield f"{base}.{node.attr}: {other}", _with(attr=other)


def _nothing(node: ast.Return, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    if node.value is not None and ast.unparse(node.value) != "None":
        yield f"{ast.unparse(node)}: nothing", _with(value=ast.Constant(None))


def _left_out(node: ast.stmt, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        yield f"without: {ast.unparse(node)}"[:80], lambda _: ast.Pass()


def _default(node: ast.keyword, _: ast.Module) -> Iterator[tuple[str, Edit]]:
    if node.arg is not None and not isinstance(node.value, ast.Constant):
        yield f"{ast.unparse(node)}: None", _with(value=ast.Constant(None))


_KINDS: dict[type[ast.AST], Callable[[Any, ast.Module], Iterator[tuple[str, Edit]]]] = {
    ast.Compare: _comparison,
    ast.BoolOp: _junction,
    ast.UnaryOp: _negation,
    ast.Constant: _constant,
    ast.Dict: _entries,
    ast.Set: _members,
    ast.Attribute: _sibling,
    ast.Return: _nothing,
    ast.Raise: _left_out,
    ast.Expr: _left_out,
    ast.keyword: _default,
}
