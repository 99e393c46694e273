"""The customer-support flow wired as people often do: by `>>`, though classification names its action.

PocketFlow warns and ends the flow after the first node. The tree shows the warning where it happened.

    pocketflow-tracing run examples/support_tickets_miswired.py
"""

from __future__ import annotations

from typing import Any

from support_tickets import TICKETS, CustomerSupportFlow, TicketClassificationNode, TicketRoutingNode


def build_flow() -> CustomerSupportFlow:
    """The flow, wired for "default" although classification returns "route_ticket"."""
    classifier, router = TicketClassificationNode(max_retries=3), TicketRoutingNode()
    classifier >> router
    return CustomerSupportFlow(start=classifier)


def main() -> None:
    """Runs one ticket, which never reaches a team."""
    shared: dict[str, Any] = {"ticket": TICKETS[0]}
    build_flow().run(shared)
    print(f"team: {shared.get('team', 'nobody')}")


if __name__ == "__main__":
    main()
