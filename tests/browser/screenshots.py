"""`make screenshots`: every page of the demo, light and dark, at 1280 and 390 px, under var/screenshots."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, chromium_path
from tests.installation import ROOT, free_port

FOLDER = ROOT / "var" / "screenshots"
#: Pages that are always there; of each list the first row's page is taken too.
LISTS = [
    "automations/workflow",
    "automations/condition",
    "automations/connection",
    "automations_runs/approval",
    "automations_runs/deadletter",
    "automations_runs/run",
    "automations_runs/event",
    "automations_runs/evaluation",
    "automations_runs/batch",
    "automations_runs/worker",
    "automations_webhooks/endpoint",
    "automations_webhooks/receipt",
]


def demo(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    """The demo in a folder of its own: (process, password)."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--port", str(port), "--no-browser"],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"Password\s+(\S+)", line):
            return process, found[1]
    raise SystemExit("The demo did not start.")


def pages(page: Page, base: str) -> Iterator[tuple[str, str]]:
    """(name, address) of every page worth a picture."""
    yield "home", f"{base}/admin/"
    for name in LISTS:
        yield name.split("/")[1], f"{base}/admin/{name}/"
        page.goto(f"{base}/admin/{name}/")
        rows = page.locator(f'#result_list a[href*="/admin/{name}/"]')
        hrefs = [rows.nth(n).get_attribute("href") or "" for n in range(rows.count())]
        first = next((href for href in hrefs if re.search(r"/\d+/(change/)?", href)), None)
        if first:
            yield f"{name.split('/')[1]}-page", f"{base}{first}"


def main() -> None:
    port = free_port()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        process, password = demo(Path(folder), port)
        base = f"http://127.0.0.1:{port}"
        chromium = play.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        try:
            for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
                page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
                page.goto(f"{base}/admin/login/")
                page.fill("[name=username]", "nina")
                page.fill("[name=password]", password)
                page.click("[type=submit]")
                for name, address in list(pages(page, base)):
                    page.goto(address)
                    page.screenshot(path=FOLDER / f"{name}-{width}-{scheme}.png", full_page=True)
                page.close()
        finally:
            chromium.close()
            process.terminate()
            process.wait(60)
    print(f"Pictures are in {FOLDER.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
