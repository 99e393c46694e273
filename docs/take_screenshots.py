"""Takes the pictures in `docs/images`, from traces of the examples, in a real browser.

pip install -e ".[dev,ui]" pillow      # and Chromium
python docs/take_screenshots.py        # all of them
python docs/take_screenshots.py graph  # those with this in their name
"""

from __future__ import annotations

import importlib
import io
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from dashboard_shots import SHOTS as DASHBOARD_SHOTS
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from pocketflow_tracing.model import Trace
from pocketflow_tracing.testing import capture_traces
from pocketflow_tracing.view.page import render_page

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
MAX_BYTES = 200_000
SIZE = {"width": 1280, "height": 800}
SWITCHES = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]

Shot = Callable[[Browser, Path], bytes]


def traced(example: str) -> Trace:
    """The last trace of an example."""
    with capture_traces() as traces, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PocketFlow warns of the wiring that one of them is about
        importlib.import_module(example).main()
    trace = traces[-1]
    trace.project = None
    return trace


def page_of(example: str, select: str, scheme: str = "light") -> Shot:
    """The whole page, with the step of this name selected."""

    def shoot(browser: Browser, folder: Path) -> bytes:
        page = opened(browser, folder, example, scheme)
        page.locator(".row", has_text=select).first.click()
        page.mouse.move(0, 0)
        return page.screenshot()

    return shoot


def graph_of(example: str) -> Shot:
    """The graph alone, as large as it is."""

    def shoot(browser: Browser, folder: Path) -> bytes:
        page = opened(browser, folder, example, "light")
        page.add_style_tag(content=".graph-tools { display: none } .graph { flex-basis: 300px !important }")
        page.wait_for_timeout(100)  # until the graph has fitted its panel
        frame = page.locator(".flow").first.bounding_box()
        assert frame is not None
        around = {"x": frame["x"] - 8, "y": frame["y"] - 8}
        return page.screenshot(clip={**around, "width": frame["width"] + 16, "height": frame["height"] + 16})

    return shoot


def opened(browser: Browser, folder: Path, example: str, scheme: str) -> Page:
    """The page of an example's trace."""
    file = folder / "trace.html"
    file.write_text(render_page(traced(example)), encoding="utf-8")
    context = browser.new_context(
        viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5, bypass_csp=True
    )
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator(".row").first.wait_for()
    return page


SHOTS: dict[str, Shot] = {
    "page-light": page_of("research_agent", "WriteAnswer"),
    "page-dark": page_of("research_agent", "WriteAnswer", "dark"),
    "graph": graph_of("research_agent"),
    "graph-batches": graph_of("school_report"),
    "graph-miswired": graph_of("support_tickets_miswired"),
    **DASHBOARD_SHOTS,
}


def packed(png: bytes) -> bytes:
    """The picture with a palette of its own, which takes a third."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    written = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def main() -> None:
    """Take those that were asked for, or all."""
    sys.path.insert(0, str(ROOT / "examples"))
    wanted = sys.argv[1:] or [""]
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        for name, shoot in SHOTS.items():
            if any(part in name for part in wanted):
                png = packed(shoot(browser, Path(folder)))
                assert len(png) <= MAX_BYTES, f"{name}.png is too large: {len(png):,} bytes"
                (IMAGES / f"{name}.png").write_bytes(png)
                print(f"docs/images/{name}.png {len(png) / 1000:,.0f} kB", file=sys.stderr)
        browser.close()


if __name__ == "__main__":
    main()
