"""Settings of a whole installation under test: the product's, and the specimens."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.specimens"]
