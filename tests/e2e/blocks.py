"""The programs in the how-to pages, to be run as they stand there."""

import re
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks_of(page: str, language: str) -> list[str]:
    """The blocks of a page that are in that language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)
