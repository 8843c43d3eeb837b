#!/usr/bin/env bash
# Starts vecward with the demo tenants in the foreground: daemon, encoders and console. Ctrl-C ends everything.
# Everything it makes is in this checkout: .venv (the program) and .vecward (its data, configuration and passwords).
#   VECWARD_PORT    the console's port; otherwise the one in .vecward/etc/daemon.yaml, 7860 at the first start
#   VECWARD_PYTHON  the Python (3.11 or newer) that makes .venv; default python3
set -euo pipefail

checkout=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
venv=$checkout/.venv
root=$checkout/.vecward
python=$venv/bin/python

fail() {
    printf 'demo.sh: %s\n' "$1" >&2
    exit 1
}

check_port() {
    local port=${VECWARD_PORT:-7860}
    if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
        fail "cannot use VECWARD_PORT=$port; allowed: a port from 1 to 65535"
    fi
}

make_venv() {
    "$python" -m pip --version >/dev/null 2>&1 && return
    local base=${VECWARD_PYTHON:-python3}
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "cannot find Python 3.11 or newer as '$base'; set VECWARD_PYTHON to one"
    "$base" -m venv --clear -- "$venv" || fail "cannot make $venv; on Debian: apt-get install python3-venv"
}

# A stamp says what .venv was made from, so that only the first start, or one after a change, asks pip.
install_vecward() {
    local stamp=$venv/.vecward-stamp wanted
    wanted=$({
        printf '%s\n' "$checkout"
        cat pyproject.toml deploy/constraints.txt
    } | sha256sum)
    [[ -x $venv/bin/vecward && -f $stamp && $(<"$stamp") == "$wanted" ]] && return
    echo "Installing vecward into .venv; this takes a minute the first time."
    make_venv
    "$python" -m pip install -qq --disable-pip-version-check -c deploy/constraints.txt -e '.[cpu]'
    printf '%s\n' "$wanted" >"$stamp"
}

refuse_second_start() {
    if "$python" -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' \
        "$root/run/daemon.sock" 2>/dev/null; then
        fail "cannot start: a daemon already runs on $root"
    fi
}

# What a start was interrupted at has another name than what it finished.
prepare_root() {
    (umask 022 && mkdir -p "$root/etc")
    if [[ ! -d $root/etc/tenants.d ]]; then
        rm -rf "$root/etc/tenants.d.new"
        cp -R tenants.d "$root/etc/tenants.d.new"
        mv "$root/etc/tenants.d.new" "$root/etc/tenants.d"
    fi
    if [[ ! -f $root/etc/daemon.yaml ]]; then
        cat >"$root/etc/daemon.yaml.new" <<YAML
# Written by deploy/demo.sh at the first start; yours to change from then on.
isolation: process  # one process per tenant, but no sandbox: for trying out, not for other people's data
admins: ["uid:$(id -u)", "user:admin"]
console:
  port: ${VECWARD_PORT:-7860}
YAML
        mv "$root/etc/daemon.yaml.new" "$root/etc/daemon.yaml"
    fi
}

vecward() {
    "$venv/bin/vecward" --root "$root" "$@"
}

create_users() {
    local passwords=$root/demo-passwords name password said
    [[ -f $passwords ]] && return
    (umask 077 && : >"$passwords.new")
    for name in admin editor demo; do
        password=$("$python" -c 'import secrets; print(secrets.token_urlsafe(12))')
        # A start that was interrupted here has left the user without a password that anybody knows.
        said=$(vecward user add "$name" --password-stdin <<<"$password" 2>&1) ||
            vecward user passwd "$name" --password-stdin <<<"$password" >/dev/null ||
            fail "cannot create the user $name: $said"
        printf '%s %s\n' "$name" "$password" >>"$passwords.new"
    done
    mv "$passwords.new" "$passwords"
}

# Asks until all demo tenants and the console answer, says so, and ends; ends too when process $1 is gone.
report_ready() {
    PYTHONUTF8=1 "$python" - "$1" "$checkout" "${VECWARD_PORT:-}" <<'PYTHON'
import http.client, json, os, shlex, socket, sys, time
from pathlib import Path
import yaml

DEADLINE_S = 120
pid, checkout = int(sys.argv[1]), Path(sys.argv[2])
root = checkout / ".vecward"
console = yaml.safe_load((root / "etc/daemon.yaml").read_text()).get("console") or {}
host, port = console.get("host", "127.0.0.1"), int(sys.argv[3] or console.get("port", 7860))
address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
# The installed tenants.d may have lost a demo tenant, or won others: what both folders have is waited for.
names = sorted(p.stem for p in (root / "etc/tenants.d").glob("*.yaml") if (checkout / "tenants.d" / p.name).exists())


class Daemon(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(root / "run/daemon.sock"))


def ask(connection, method, path, body=None):
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def trouble(name):
    """Why a tenant doesn't answer a search yet; None: it does."""
    status, said = ask(Daemon("vecward", timeout=20), "POST", f"/v1/tenants/{name}/search", {"query": "hello", "k": 1})
    return None if status == 200 else f"the search says {status} {said.decode(errors='replace')[:300]}".strip()


def hopeless(name):
    """Why waiting for this tenant is in vain; None: it isn't."""
    status, said = ask(Daemon("vecward", timeout=5), "GET", f"/v1/tenants/{name}")
    tenant = json.loads(said) if status == 200 else {}
    if tenant.get("state") in ("failed", "stopped") and (tenant["state"] == "failed" or tenant.get("goal") == "down"):
        return f"{tenant['state']}: {tenant.get('reason') or 'vecward start ' + name}"
    return None


def console_trouble():
    status, said = ask(http.client.HTTPConnection(address.removeprefix("http://"), timeout=5), "GET", "/")
    # 401 and 403 too mean that somebody is at home.
    return None if 200 <= status < 500 else f"{status} {said.decode(errors='replace')[:300]}".strip()


def say_ready():
    cli = f"{shlex.quote(str(checkout / '.venv/bin/vecward'))} --root {shlex.quote(str(root))}"
    sock = shlex.quote(str(root / "run/daemon.sock"))
    users = [line.split(" ", 1) for line in (root / "demo-passwords").read_text().splitlines()]
    tenant, query = ("life-zh", "我想吃点东西") if "life-zh" in names or not names else (names[0], "forgot my password")
    body = shlex.quote(json.dumps({"query": query}, ensure_ascii=False))
    print(f"\nConsole: {address}")
    print("Sign in as:", *(f"  {name:<8}{password}" for name, password in users), sep="\n")
    print("Or paste into another terminal:")
    print(f"  curl --unix-socket {sock} http://vecward/v1/tenants/{tenant}/search"
          f" -H 'Content-Type: application/json' -d {body}")
    print(f"  {cli} search {tenant} {shlex.quote(query)}")
    print(f"  {cli} status\nCtrl-C ends everything.\nready", flush=True)


waiting = {**{name: lambda name=name: trouble(name) for name in names}, "the console": console_trouble}
problems, given_up, end = {}, {}, time.monotonic() + DEADLINE_S
while waiting and time.monotonic() < end:
    for what, check in list(waiting.items()):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            sys.exit()  # it has said itself why it ended
        problems[what] = check()
        if problems[what] is None:
            del waiting[what]
        elif what in names and (reason := hopeless(what)):
            given_up[what] = problems[what] = reason
            del waiting[what]
    time.sleep(0.1)
if waiting or given_up:
    for what in [*given_up, *waiting]:
        print(f"demo.sh: {what} does not answer: {problems[what]}", file=sys.stderr, flush=True)
else:
    say_ready()
PYTHON
}

cd -- "$checkout"
unset VECWARD_ROOT
check_port
install_vecward
refuse_second_start
prepare_root
create_users
# `up` takes this process over, so that every signal meant for the demo is the daemon's own. The reporter is
# nobody's child then: it ends by itself.
(report_ready "$$" </dev/null &)
exec "$venv/bin/vecward" --root "$root" up ${VECWARD_PORT:+--port "$VECWARD_PORT"}
