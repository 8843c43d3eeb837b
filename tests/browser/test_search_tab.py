"""Searching, as somebody does it who has never heard of vectors."""

from __future__ import annotations

import re

from daemon.core.wire import NewEntry
from tests.browser.conftest import Visit


def test_food_comes_first_in_chinese(visit: Visit) -> None:
    visitor = visit("zh-CN").arrive("demo", "生活与客服")
    visitor.shot("search-empty-zh")
    visitor.search("我想吃点东西")
    page = visitor.page
    scores = page.locator(".vw-score").all_inner_texts()
    assert all(re.fullmatch(r"-?\d\.\d{4}", score) for score in scores)
    assert [float(s) for s in scores] == sorted((float(s) for s in scores), reverse=True)
    first = page.locator(".vw-card").first
    assert re.search("吃|食|餐|饭|菜|水果|香蕉|蛋糕", first.inner_text())
    assert "vw-strong" in (first.get_attribute("class") or "")
    width = first.locator(".vw-bar-fill").evaluate("e => e.style.width")
    assert abs(float(width.rstrip("%")) - 100 * float(scores[0])) < 0.01
    assert re.search(
        r"排队 [\d.]+ ms\s*编码 [\d.]+ ms\s*检索 [\d.]+ ms\s*总计 [\d.]+ ms", page.inner_text(".vw-timing")
    )
    visitor.shot("search-zh")


def test_examples_can_be_clicked_and_the_number_of_results_changed(visit: Visit) -> None:
    visitor = visit().arrive("demo", "IT support")
    visitor.page.click(".vw-chip >> nth=0")
    visitor.page.wait_for_selector(".vw-card")
    assert visitor.page.locator(".vw-card").count() == 5
    assert visitor.page.input_value("#search-query textarea, #search-query input") == "I forgot my password"
    visitor.shot("search-en")
    visitor.page.fill("#search-k input[type=number]", "8")
    visitor.page.press("#search-k input[type=number]", "Tab")
    visitor.search("the customer gets no verification code")
    assert visitor.page.locator(".vw-card").count() == 8
    assert "verification code" in visitor.page.locator(".vw-card-text").first.inner_text().lower()


def test_low_scores_come_with_help_and_grey_bars(visit: Visit) -> None:
    visitor = visit().arrive("demo", "IT support")
    visitor.search("qzx vfw jjk")
    assert visitor.page.locator(".vw-strong").count() == 0
    assert "Nothing here seems to be about that" in visitor.page.inner_text("#search-results .vw-warn")
    visitor.shot("search-low-en")


def test_what_people_typed_is_shown_as_text(visit: Visit) -> None:
    """Tags, Markdown, control characters and link schemes of an entry do nothing."""
    visitor = visit()
    hostile = 'hostile <img src=x onerror="window.hit=1"> <script>window.hit=1</script> **b** ${1} {{x}} \x01‮txt'
    metadata = {"source": "javascript:window.hit=1", "url": 'https://example.org/?a=1&b="2"', "<b>k</b>": "<i>v</i>"}
    with visitor.console.daemon.client() as client:
        added = client.add("play", [NewEntry(text=hostile, metadata=metadata)])
    try:
        visitor.arrive("demo", "Playground").search("hostile")
        card = visitor.page.locator(".vw-card", has_text="hostile")
        shown = card.locator(".vw-card-text").inner_text()
        assert "<script>window.hit=1</script> **b** ${1} {{x}} ␁⟨RLO⟩txt" in shown
        assert card.locator("img, script, b, i").count() == 0
        links = card.locator("a")
        assert [links.nth(i).get_attribute("href") for i in range(links.count())] == [metadata["url"]]
        assert "noopener" in (links.first.get_attribute("rel") or "")
        assert visitor.page.evaluate("window.hit") is None
        visitor.shot("search-hostile")
    finally:
        with visitor.console.daemon.client() as client:
            client.delete("play", added.added)


def test_it_fits_a_phone_and_a_dark_room(visit: Visit) -> None:
    visitor = visit("zh-CN", width=390, dark=True).arrive("demo", "生活与客服")
    visitor.search("怎么重置密码")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.shot("search-phone-dark")


def test_searchers_see_what_they_may_use(visit: Visit) -> None:
    visitor = visit().arrive("demo")
    tabs = visitor.page.get_by_role("tab").all_inner_texts()
    assert [name.strip() for name in tabs] == ["Search", "Vectors"]
    assert not visitor.page.is_visible("footer")
