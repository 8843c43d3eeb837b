"""The fields of a tenant's file: the refusals, and the reference that explains each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.config import strict_yaml
from daemon.core.config.strict_model import ConfigModel
from daemon.core.config.tenant_config import FakeConfig, TenantConfig
from daemon.core.config.tenant_file import load_tenant, parse_tenant
from daemon.core.errors import InvalidConfig

DEMO = Path(__file__).parents[4] / "tenants.d"
REFERENCE = DEMO / "life-zh.yaml"
MINIMAL = b"encoder: {backend: fake}\n"


def refused(text: str) -> dict[str, object]:
    with pytest.raises(InvalidConfig) as caught:
        parse_tenant(text.encode(), Path("tenants.d/acme.yaml"))
    details = caught.value.details
    assert details["file"] == "tenants.d/acme.yaml"
    assert caught.value.message.startswith("cannot use tenants.d/acme.yaml, line ")
    return details


def test_only_the_backend_is_needed() -> None:
    config = parse_tenant(MINIMAL, Path("a.yaml")).config
    assert config is not None
    assert (config.search.k, config.knowledge.min_chars, config.search.deadline_s) == (5, 5, 3.0)


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_demo_tenants_are_valid(file: Path) -> None:
    assert load_tenant(file).error is None


BAD = {
    "an unknown field": ("encoder: {backend: fake}\nlimit: {cpus: 1}\n", 2, "limit"),
    "an unknown field below": ("encoder: {backend: fake}\nlimits:\n  cpu: 1\n", 3, "limits.cpu"),
    "a wrong type": ("encoder: {backend: fake}\nsearch:\n  k: five\n", 3, "search.k"),
    "out of range": ("encoder: {backend: fake}\nsearch:\n  k: 0\n", 3, "search.k"),
    "a duplicate key": ("encoder: {backend: fake}\nsearch:\n  k: 5\n  k: 6\n", 4, "search.k"),
    "a tab": ("encoder:\n\tbackend: fake\n", 2, "syntax"),
    "an alias": ("encoder: &e {backend: fake}\nother: *e\n", 2, "*e"),
    "a merge key": ("encoder: {backend: fake}\nsearch:\n  <<: {k: 5}\n", 3, "key"),
    "no mapping": ("- 1\n- 2\n", 1, "file"),
    "an unknown backend": ("encoder:\n  backend: gpt\n", 2, "encoder.backend"),
    "no principal": ("encoder: {backend: fake}\naccess:\n  searchers: [bob]\n", 3, "access.searchers.0"),
    "a device": ("encoder:\n  backend: fake\n  device: gpu0\n", 3, "encoder.device"),
    "a seed elsewhere": ("encoder: {backend: fake}\nknowledge:\n  seed: ../other.txt\n", 3, "knowledge.seed"),
    "nesting without end": ("encoder: " + "[" * 500_000, 1, "syntax"),
    "a control character": ("encoder: {backend: fake}\ntitle: {en: 'a\x00'}\n", 1, "syntax"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad_files_are_refused_with_line_and_field(case: str) -> None:
    text, line, field = BAD[case]
    details = refused(text)
    assert (details["line"], details["field"]) == (line, field)
    assert details["allowed"]


def test_an_anchor_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x,x]\n" + "".join(f"{c}: &{c} [*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    assert refused(bomb)["line"] == 2


def test_a_mistyped_field_is_told_its_neighbour() -> None:
    with pytest.raises(InvalidConfig, match=r"did you mean limits\?"):
        parse_tenant(b"encoder: {backend: fake}\nlimit: {}\n", Path("a.yaml"))


def test_not_utf8_names_the_line() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_tenant(b"encoder: {backend: fake}\ntitle: {en: '\xff\xfe'}\n", Path("a.yaml"))
    assert caught.value.details["line"] == 2


# --- life-zh.yaml is the reference for every field ----------------------------------------------------------------

# Fields whose value there is an example; a comment says the default.
EXAMPLES = {"title", "encoder.backend", "search.examples", "knowledge.seed", "access.searchers", "access.editors"}


def _fields() -> Iterator[tuple[str, ...]]:
    """The location of each field; `encoder.fake` is for tests, and one comment tells its fields."""
    for section, info in TenantConfig.model_fields.items():
        assert isinstance(info.annotation, type)
        assert issubclass(info.annotation, ConfigModel)
        yield from ((section, name) for name in info.annotation.model_fields if (section, name) != ("encoder", "fake"))


def test_every_field_stands_in_the_reference_with_its_default() -> None:
    document = strict_yaml.load(REFERENCE)
    assert [field for field in _fields() if field not in document.lines] == []
    given = parse_tenant(REFERENCE.read_bytes(), REFERENCE).config
    default = parse_tenant(b"encoder: {backend: use-multilingual}\n", REFERENCE).config
    differ = [
        f"{section}.{name}"
        for section, name in _fields()
        if getattr(getattr(given, section), name) != getattr(getattr(default, section), name)
    ]
    assert [name for name in differ if name not in EXAMPLES and name.partition(".")[0] not in EXAMPLES] == []


def test_every_field_is_explained_in_the_reference() -> None:
    """A comment stands on its line, or on the line before it."""
    document, text = strict_yaml.load(REFERENCE), REFERENCE.read_text().splitlines()
    lines = {field: document.lines[field] for field in _fields()}
    bare = [field for field, n in lines.items() if "#" not in text[n - 1] and not text[n - 2].lstrip().startswith("#")]
    assert bare == []


def test_the_fields_of_the_fake_are_told_in_its_comment() -> None:
    told = re.search(r"`fake: {(.*?)}`", REFERENCE.read_text())
    assert told is not None
    assert set(told[1].split(", ")) == set(FakeConfig.model_fields)
