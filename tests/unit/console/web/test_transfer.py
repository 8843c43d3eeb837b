"""Files in and out."""

from __future__ import annotations

import pytest

from console.web.transfer import to_utf8
from tests.support.console.site import Site


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("咖啡机在三楼".encode(), ""),
        ("咖啡机在三楼".encode("utf-8-sig"), ""),
        ("咖啡机在三楼".encode("gb18030"), "GB18030"),
        ("咖啡机在三楼".encode("utf-16"), "UTF-16"),
        (b"plain", ""),
        (b"", ""),
    ],
)
def test_files_as_excel_and_notepad_write_them(raw: bytes, encoding: str) -> None:
    text, said = to_utf8(raw)
    assert said == encoding
    assert text.decode() in ("咖啡机在三楼", "plain", "")


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    assert to_utf8(b"\xff\xff\xff") == (b"\xff\xff\xff", "")
    assert to_utf8(b"\xff\xfe\x00") == (b"\xff\xfe\x00", "")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", "text/plain"),
        ("表.CSV", "text/csv"),
        ("a.jsonl", "application/x-ndjson"),
        ("a.b.ndjson", "application/x-ndjson"),
    ],
)
async def test_an_import_goes_to_the_daemon_as_the_user(site: Site, name: str, media_type: str) -> None:
    async with site.client("editor") as client:
        answer = await client.post("/import/acme", params={"name": name}, content=b"a first line\n")
    assert (answer.status_code, answer.json()) == (202, {"operation": "e-1", "encoding": ""})
    assert site.daemon.acted == [("editor", f"import {media_type} add acme")]


@pytest.mark.parametrize("name", ["", "a", "a.exe", "a.txt.png", "../a"])
async def test_other_files_are_refused_in_words(site: Site, name: str) -> None:
    async with site.client("editor") as client:
        answer = await client.post(
            "/import/acme", params={"name": name}, content=b"x", headers={"accept-language": "zh"}
        )
    assert answer.status_code == 415
    assert "仅支持" in answer.json()["detail"]
    assert site.daemon.acted == []


@pytest.mark.parametrize("tenant", ["globex", "%2e%2e", "a b", "<b>"])
async def test_another_tenant_is_none(site: Site, tenant: str) -> None:
    async with site.client("editor") as client:
        answer = await client.post(f"/import/{tenant}", params={"name": "a.txt"}, content=b"x")
        assert answer.status_code == 404
        answer = await client.get(f"/export/{tenant}")
        assert answer.status_code == 404
        assert "secret" not in answer.text


async def test_a_download_has_its_name_and_is_never_shown_as_a_page(site: Site) -> None:
    async with site.client("editor") as client:
        answer = await client.get("/export/acme?format=csv")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''acme.csv"
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "the printer is upstairs" in answer.text
        assert (await client.get("/export/acme?format=exe")).status_code == 415
