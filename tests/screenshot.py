"""docs/console.png: the page as it looks after a burst and a forecast; `python -m tests.screenshot`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.conftest import ROOT, serving
from tests.test_console import CHROMIUM, FORECAST, QUIET, WEATHER, Tab


def main() -> None:
    with TemporaryDirectory() as folder, serving(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *QUIET])
        tab = Tab(browser.new_page(viewport={"width": 1440, "height": 860}), server.http)
        tab.page.goto(server.http)
        tab.state("ready")
        tab.call(WEATHER)
        tab.page.locator("#load-tool").select_option("get-weather")
        tab.page.get_by_role("button", name="Run").click()
        tab.shows("Done.", "#load-status")
        tab.call(FORECAST)
        tab.page.get_by_text("periods as a table").click()
        tab.frames("result get-forecast").first.wait_for()
        tab.page.mouse.move(0, 0)
        tab.page.screenshot(path=ROOT / "docs" / "console.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
