"""Lucide icons as inline SVG, read once at start: they take the text's colour and need no request of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

FOLDER = Path(__file__).parent / "static/vendor/lucide"


def reader(folder: Path = FOLDER) -> Callable[..., Markup]:
    """`icon("flame")` for templates. An icon always stands beside its word, so it is hidden from screen readers."""
    drawings = {file.stem: _inside(file.read_text(encoding="utf-8")) for file in folder.glob("*.svg")}

    def icon(name: str) -> Markup:
        return Markup(  # noqa: S704 - our own vendored files, checked by hash (VENDOR.toml)
            '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">' + drawings[name] + "</svg>"
        )

    return icon


def _inside(svg: str) -> str:
    found = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)
    if found is None:
        raise ValueError("not an SVG file")
    return " ".join(found[1].split())
