"""Gradio's page with our own style and script, and the security headers."""

from __future__ import annotations

import re

import pytest

from tests.support.console.site import ORIGIN, Site


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_page_names_no_other_host_and_runs_no_script_without_its_nonce(site: Site, language: str) -> None:
    async with site.client("demo") as client:
        answer = await client.get(f"/{language}/")
        theme = await client.get(f"/{language}/theme.css")
    page = answer.text
    assert f'lang="{language}"' in page
    for text in (page, theme.text):
        assert set(re.findall(r"https?://[\w.:-]+", text)) <= {ORIGIN, "http://www.w3.org"}
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)
    assert nonce is not None
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts
    assert all(f'nonce="{nonce[1]}"' in script for script in scripts)
    assert answer.headers["cache-control"] == "no-store"


async def test_every_answer_has_the_security_headers(site: Site) -> None:
    async with site.client() as client:
        for path in ("/signin", "/static/console.js", "/en/", "/nowhere", "/en/gradio_api/upload"):
            headers = (await client.get(path)).headers
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_nonces_are_not_used_twice(site: Site) -> None:
    async with site.client() as client:
        policies = {(await client.get("/signin")).headers["content-security-policy"] for _ in range(5)}
    assert len(policies) == 5
