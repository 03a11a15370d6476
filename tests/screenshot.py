"""docs/console.png: the page as it opens, and a message that is read; `python -m tests.screenshot`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.conftest import ROOT, serving
from tests.console.conftest import CHROMIUM, DESKTOP, QUIET, Tab

PLACES = ("Minneapolis, MN", "Denver, CO", "Boston, MA", "Chicago, IL", "Washington, DC", "Anchorage, AK")


def main() -> None:
    with (
        TemporaryDirectory() as folder,
        serving(Path(folder), SIMULATOR_ALERTS_FEATURES="8") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *QUIET])
        tab = Tab(browser.new_page(viewport=DESKTOP, device_scale_factor=1.5), server.http)
        for place in PLACES:  # the first that has alerts just now
            tab.page.goto("about:blank")
            tab.page.goto(f"{server.http}/#place={place}")
            tab.beside("get-weather", "get-alerts", "get-forecast")
            if tab.page.locator(".alert").count():
                break
        tab.frames("result get-forecast").wait_for()
        tab.frames("tools/call get-weather").click()
        tab.page.mouse.move(0, 0)
        tab.page.screenshot(path=ROOT / "docs" / "console.png")
        browser.close()


if __name__ == "__main__":
    main()
