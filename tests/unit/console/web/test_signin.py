"""Signing in and out, and the language switch."""

from __future__ import annotations

import pytest

from tests.support.console.fakes import PASSWORD
from tests.support.console.site import ORIGIN, Site


async def test_signing_in_and_out(site: Site) -> None:
    async with site.client() as client:
        assert (await client.get("/")).headers["location"] == "/signin"
        answer = await client.post("/signin", data={"name": " demo ", "password": PASSWORD}, headers={"origin": ORIGIN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/en/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert (await client.get("/", headers={"accept-language": "zh"})).headers["location"] == "/zh/"
        kept = dict(client.cookies)
        assert (await client.post("/signout", headers={"origin": ORIGIN})).headers["location"] == "/signin"
    async with site.client() as client:
        client.cookies.update(kept)
        assert (await client.get("/en/")).headers["location"] == "/signin"


@pytest.mark.parametrize("form", [{"name": "demo", "password": "wrong"}, {"name": "nobody", "password": PASSWORD}, {}])
async def test_a_refused_sign_in_says_nothing_about_names(site: Site, form: dict[str, str]) -> None:
    async with site.client() as client:
        answer = await client.post("/signin", data=form)
    assert answer.status_code == 401
    assert "Name or password is wrong" in answer.text
    assert "set-cookie" not in answer.headers


async def test_what_was_typed_comes_back_escaped(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/signin", data={"name": '"><script>x</script>', "password": "x"})
    assert answer.text.startswith("<!doctype html><html ")
    assert "<script>x" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text


async def test_a_form_that_is_none_and_one_too_large(site: Site) -> None:
    async with site.client() as client:
        assert (await client.post("/signin", content=b"\xff\xfe=&&&")).status_code == 401
        assert (await client.post("/signin", content=b"name=" + b"x" * 70_000)).status_code == 413


async def test_behind_tls_on_this_host_the_cookie_is_secure(site: Site) -> None:
    form = {"name": "demo", "password": PASSWORD}
    async with site.client(peer="127.0.0.1", **{"x-forwarded-proto": "https"}) as client:
        answer = await client.post("/signin", data=form)
        assert "Secure" in answer.headers["set-cookie"]
        assert "strict-transport-security" in answer.headers
    async with site.client(**{"x-forwarded-proto": "https"}) as client:
        assert "Secure" not in (await client.post("/signin", data=form)).headers["set-cookie"]


async def test_a_session_that_the_daemon_ended_leads_to_the_sign_in_page(site: Site) -> None:
    async with site.client("demo") as client:
        assert (await client.get("/en/")).status_code == 200
        site.daemon.users["demo"] = "changed"
        answer = await client.get("/en/")
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin?ended=1")
        assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_the_language_switch(site: Site) -> None:
    async with site.client("demo", **{"accept-language": "en"}) as client:
        answer = await client.get("/language/zh")
        assert answer.headers["location"] == "/"
        assert (await client.get("/")).headers["location"] == "/zh/"
        assert "登录" in (await client.get("/signin")).text
        assert (await client.get("/language/klingon")).status_code == 422
