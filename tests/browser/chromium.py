"""The system's Chromium, headless, with no access to the network."""

from __future__ import annotations

import shutil

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]


def chromium_path() -> str | None:
    """The system's Chromium, None where there is none."""
    return next((found for name in CHROMIUM if (found := shutil.which(name))), None)
