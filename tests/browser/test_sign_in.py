"""Getting in and out, in both languages."""

from __future__ import annotations

import re

from daemon.core.config import users
from tests.browser.conftest import PASSWORD, Visit


def test_a_wrong_password_is_told_and_the_name_stays(visit: Visit) -> None:
    visitor = visit("zh-CN").sign_in("demo", "not the password")
    assert "用户名或密码不正确" in visitor.page.inner_text(".vw-bad")
    assert visitor.page.input_value("#name") == "demo"
    visitor.shot("sign-in-wrong-zh")
    visitor.page.fill("#password", PASSWORD)
    visitor.page.press("#password", "Enter")
    visitor.page.wait_for_selector("#sign-out")


def test_pages_are_closed_to_whoever_has_not_signed_in(visit: Visit) -> None:
    visitor = visit()
    visitor.page.goto(f"{visitor.console.url}/en/")
    assert visitor.page.url.endswith("/signin")
    visitor.shot("sign-in-en")


def test_signing_out_ends_the_session_in_a_copied_cookie_too(visit: Visit) -> None:
    visitor = visit().arrive("demo")
    cookies = visitor.page.context.cookies()
    visitor.page.click("#sign-out")
    visitor.page.wait_for_url(re.compile("/signin$"))
    visitor.page.context.add_cookies([{**one, "url": visitor.console.url} for one in map(_bare, cookies)])
    visitor.page.goto(f"{visitor.console.url}/en/")
    assert visitor.page.url.endswith("/signin")


def _bare(cookie: dict[str, object]) -> dict[str, object]:
    return {"name": cookie["name"], "value": cookie["value"]}


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(visit: Visit) -> None:
    visitor = visit().arrive("demo")
    session = next(c for c in visitor.page.context.cookies() if "session" in c["name"])
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert "vecward_session" not in visitor.page.evaluate("document.cookie")


def test_the_language_is_the_browsers_until_the_switch_says_otherwise(visit: Visit) -> None:
    visitor = visit("zh-CN").arrive("demo")
    assert visitor.page.url.endswith("/zh/")
    assert (visitor.page.get_attribute("html", "lang") or "").startswith("zh")
    assert visitor.page.is_visible("text=您想找什么？")
    visitor.page.click(".vw-languages >> text=English")
    visitor.page.wait_for_url(re.compile("/en/$"))
    visitor.page.wait_for_selector("text=What are you looking for?")
    visitor.page.goto(visitor.console.url)
    assert visitor.page.url.endswith("/en/")


def test_a_changed_password_ends_open_sessions(visit: Visit) -> None:
    visitor = visit()
    path = visitor.console.daemon.paths.users_yaml
    users.add(path, "leaver", PASSWORD)
    visitor.sign_in("leaver")
    visitor.page.wait_for_selector("#sign-out")
    users.set_password(path, "leaver", "another password")
    visitor.page.reload()
    visitor.page.wait_for_url(re.compile("/signin"))
    assert "session has ended" in visitor.page.inner_text(".vw-notice")
    users.remove(path, "leaver")
