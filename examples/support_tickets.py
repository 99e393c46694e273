"""A customer-support flow: classify a ticket, route it to a team. Nothing here knows that it is traced.

pocketflow-tracing run examples/support_tickets.py
"""

from __future__ import annotations

from typing import Any

from pocketflow import Flow, Node

TICKETS = [
    "I was charged twice for my subscription this month. Please refund one payment.",
    "The app crashes as soon as I open my account page. I cannot work, this is urgent!",
]


def call_llm(prompt: str) -> dict[str, str]:
    """Stands in for a model: the same answer to the same ticket, at once and for free."""
    category = "billing" if "charged" in prompt else "technical"
    return {"category": category, "priority": "high" if "urgent" in prompt else "normal"}


class TicketClassificationNode(Node):
    """Asks the model what the ticket is about and how urgent it is."""

    def prep(self, shared: dict[str, Any]) -> str:
        return f"Classify this ticket:\n{shared['ticket']}"

    def exec(self, prep_res: str) -> dict[str, str]:
        return call_llm(prep_res)

    def post(self, shared: dict[str, Any], prep_res: str, exec_res: dict[str, str]) -> str:
        shared["category"] = exec_res["category"]
        shared["priority"] = exec_res["priority"]
        return "route_ticket"


class TicketRoutingNode(Node):
    """Picks the team that answers."""

    def prep(self, shared: dict[str, Any]) -> tuple[str, str]:
        return shared["category"], shared["priority"]

    def exec(self, prep_res: tuple[str, str]) -> str:
        category, priority = prep_res
        team = {"billing": "Billing", "technical": "Engineering"}[category]
        return f"{team} on call" if priority == "high" else team

    def post(self, shared: dict[str, Any], prep_res: tuple[str, str], exec_res: str) -> str:
        shared["team"] = exec_res
        return "done"


class CustomerSupportFlow(Flow):
    """From a ticket to the team that answers it."""


def build_flow() -> CustomerSupportFlow:
    """The flow, wired by the action that classification returns."""
    classifier, router = TicketClassificationNode(max_retries=3), TicketRoutingNode()
    classifier - "route_ticket" >> router
    return CustomerSupportFlow(start=classifier)


def main() -> None:
    """Runs two tickets through the flow."""
    flow = build_flow()
    for ticket in TICKETS:
        shared: dict[str, Any] = {"ticket": ticket}
        flow.run(shared)
        print(f"{shared['priority']} {shared['category']} ticket -> {shared['team']}")


if __name__ == "__main__":
    main()
