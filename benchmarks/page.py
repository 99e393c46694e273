"""What the page of a long trace weighs, when it is there, and whether it stands still under a reader's hands.

    python benchmarks/page.py            # needs playwright and Chromium

Prints Markdown. A long task is what keeps a browser from answering for more than 50 ms.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from pocketflow import Flow, Node

from pocketflow_tracing.model import Trace
from pocketflow_tracing.testing import capture_traces
from pocketflow_tracing.view.page import render_page
from pocketflow_tracing.view.page.form import values_form

NODES = 1_250
ROUNDS = 3
WATCH = """
window.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
"""
SCROLL = """
async () => {
  const rows = document.querySelector(".tree-rows");
  for (let step = 0; step <= 120; step++) {
    rows.scrollTop = (rows.scrollHeight * step) / 120;
    await new Promise((resume) => requestAnimationFrame(resume));
  }
}
"""


class Step(Node):
    """One of many: what it was given, gave and changed is like the work of an agent."""

    def prep(self, shared: dict[str, Any]) -> dict[str, Any]:
        return {"question": f"What is step {shared['step']}?", "notes": shared["notes"][-3:]}

    def exec(self, prep_res: dict[str, Any]) -> str:
        return f"{prep_res['question']} It is what comes before the next. " * 4

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: str) -> str:
        shared["step"] += 1
        shared["notes"] = [*shared["notes"][-9:], exec_res]
        return "again" if shared["step"] < shared["steps"] else "done"


def long_trace(nodes: int) -> Trace:
    """A trace of a loop of `nodes` steps, four spans each."""
    step = Step()
    step - "again" >> step
    with capture_traces() as traces:
        Flow(start=step).run({"step": 0, "steps": nodes, "notes": []})
    return traces[0]


def measured(page: Page, file: Path) -> dict[str, float]:
    """One visit: milliseconds until something is painted, and the longest task of each thing done."""
    page.add_init_script(WATCH)
    page.goto(file.as_uri())
    page.locator(".row").first.wait_for()
    found = {"first paint": page.evaluate("performance.getEntriesByType('paint')[0].startTime")}
    found["longest task at the start"] = longest(page)
    page.keyboard.press("o")
    found["longest task of opening all"] = longest(page)
    page.evaluate(SCROLL)
    found["longest task of scrolling through all"] = longest(page)
    page.keyboard.press("/")
    page.keyboard.type("step 1234", delay=30)
    page.locator(".found", has_text="step").wait_for()
    found["longest task of a search in all values"] = longest(page)
    page.keyboard.press("Escape")
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    found["longest task of 30 steps by key"] = longest(page)
    return found


def longest(page: Page) -> float:
    """The longest task since the last call, in milliseconds; 0 when none took 50."""
    page.evaluate("new Promise((resume) => setTimeout(resume, 100))")  # they are told of afterwards
    return max(page.evaluate("tasks.splice(0)"), default=0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    nodes = parser.parse_args().nodes
    trace = long_trace(nodes)
    html = render_page(trace)
    values = sum(len(json.dumps(values_form(span))) for span in trace.spans)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "trace.html"
        file.write_text(html, encoding="utf-8")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        rounds = []
        for _ in range(ROUNDS):
            context = browser.new_context(viewport={"width": 1280, "height": 800})
            rounds.append(measured(context.new_page(), file))
            context.close()
        browser.close()
    print(f"| a trace of {len(trace.spans):,} spans | |\n|---|---:|")
    print(f"| its page, values apart | {(len(html.encode()) - values) / 1e6:.2f} MB |")
    print(f"| the values in it | {values / 1e6:.2f} MB |")
    for name in rounds[0]:
        print(f"| {name} | {shown(sorted(found[name] for found in rounds)[ROUNDS // 2])} |")


def shown(ms: float) -> str:
    """Milliseconds as a figure; below 50, nothing counts as long."""
    return f"{ms:,.0f} ms" if ms else "below 50 ms"


if __name__ == "__main__":
    main()
