"""Traces a flow from another module without touching it.

python examples/third_party.py
"""

from __future__ import annotations

from typing import Any

import translation_flow

from pocketflow_tracing import tracing


def main() -> None:
    """Translates two texts; each run of the flow leaves a trace of its own."""
    with tracing(flow_name="Translation", session_id="demo", tags=["third-party"]):
        for text in ("good morning", "good morning Berlin"):
            shared: dict[str, Any] = {"text": text}
            translation_flow.flow.run(shared)
            print(shared["translation"])


if __name__ == "__main__":
    main()
