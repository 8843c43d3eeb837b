"""The contract, daemon/README.md, against the code: what it lists is what there is."""

from __future__ import annotations

import re

import pytest
import typer
import yaml

from daemon.api.routes import ROUTES
from daemon.cli.app import app
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.effects import DAEMONS_OWN, FINGERPRINTED
from daemon.core.config.tenant_config import EncoderConfig, TenantConfig
from daemon.core.errors import all_kinds
from daemon.core.http.problems import STATUS
from daemon.core.wire import OperationState
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import State
from daemon.supervisor.tenants.shown.warnings import WarningKey
from tests.support.repository.pages import CONTRACT, citations, quoted, sections

HEADINGS = [
    *("Vocabulary", "Parts", "Layout", "Tenant states", "Deadline and progress", "HTTP API", "Who may do what"),
    *("Isolation of an encoder", "Data", "Encoding", "Command line", "Configuration"),
]


@pytest.fixture(scope="module")
def contract() -> dict[str, str]:
    return sections(CONTRACT)


def test_headings(contract: dict[str, str]) -> None:
    assert list(contract) == HEADINGS


def test_cited_headings_exist() -> None:
    cited = list(citations())
    assert cited, "nothing cites the contract: the pattern is wrong"
    assert [f"{path}: {heading}" for path, heading in cited if heading not in HEADINGS] == []


def test_routes_and_their_roles(contract: dict[str, str]) -> None:
    rows = re.findall(r"^\| `([A-Z]+ /\S+)` \| (\S+) \|", contract["HTTP API"], flags=re.MULTILINE)
    table = [
        (f"{route.method} {route.path}" + ("?" + "&".join(route.query) if route.query else ""), route.role.value)
        for route in ROUTES
    ]
    assert rows == table


def test_kinds_of_errors_by_status(contract: dict[str, str]) -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+) \|$", contract["HTTP API"], flags=re.MULTILINE)
    listed = {kind: int(status) for status, kinds in rows for kind in quoted(kinds)}
    assert listed == {kind: STATUS[error] for kind, error in all_kinds().items()}


def test_states(contract: dict[str, str]) -> None:
    first = contract["Tenant states"].split(". ")[0]
    assert set(re.findall(r"[a-z]+", " ".join(quoted(first)))) == {state.value for state in State}


def test_states_of_operations(contract: dict[str, str]) -> None:
    words = re.search(r"\*\*Operations\*\*.*?`state` \((.*?)\)", contract["HTTP API"], flags=re.DOTALL)
    assert words is not None
    assert quoted(words.group(1)) == {state.value for state in OperationState}


def test_events(contract: dict[str, str]) -> None:
    words = re.search(r"\*\*Events\*\*:(.*?)\.", contract["HTTP API"], flags=re.DOTALL)
    assert words is not None
    assert quoted(words.group(1)) == {name.value for name in EventName}


def test_warnings_of_tenants(contract: dict[str, str]) -> None:
    words = re.search(r"\*\*Warnings\*\*.*?of a tenant:(.*?)\.\n", contract["HTTP API"], flags=re.DOTALL)
    assert words is not None
    assert quoted(words.group(1)) == {key.value for key in WarningKey}


def test_defaults_of_the_daemon(contract: dict[str, str]) -> None:
    block = re.search(r"```yaml\n(.*?)```", contract["Configuration"], flags=re.DOTALL)
    assert block is not None
    written = yaml.safe_load(block.group(1))
    assert written == DaemonConfig().model_dump()


def test_backends_and_their_thresholds(contract: dict[str, str]) -> None:
    items = re.split(r"^- ", contract["Encoding"], flags=re.MULTILINE)[1:]
    listed = {item.split("`")[1]: float(re.findall(r"threshold\s+([0-9.]+)\.", item)[0]) for item in items}
    assert sorted(listed) == sorted(EncoderConfig.model_json_schema()["properties"]["backend"]["enum"])
    for name, threshold in listed.items():
        assert TenantConfig(encoder=EncoderConfig(backend=name, model="of/any")).threshold == threshold


def test_commands(contract: dict[str, str]) -> None:
    rows = re.findall(r"^\| (`.*) \|(.*)\| .* \|$", contract["Command line"], flags=re.MULTILINE)
    groups = dict(re.findall(r"`(\w+)` (.*)", "\n".join(group for _, group in rows)))
    click = typer.main.get_command(app)
    listed = {name: set(words.strip().split(", ")) for name, words in groups.items()}
    listed |= {name: set() for commands, _ in rows for name in quoted(commands)}
    assert listed == {name: set(getattr(command, "commands", {})) for name, command in click.commands.items()}


def test_cost_of_a_changed_field(contract: dict[str, str]) -> None:
    last = contract["Configuration"].rstrip().rpartition("\n\n")[2]
    free, _, rest = last.partition("take effect")
    own = {name for section, names in DAEMONS_OWN.items() for name in ({section} if names is True else names)}
    assert quoted(free) == own
    assert quoted(rest) == set(FINGERPRINTED)
