"""An agent that searches until it knows enough, then answers; a flow of its own checks the answer.

A branch that is not taken, a loop, an attempt that times out and a nested flow: a picture of each is in
the graph that `pocketflow-tracing view` shows.

    pocketflow-tracing run examples/research_agent.py
"""

from __future__ import annotations

import time
from typing import Any

from pocketflow import Flow, Node

PAGES = {
    "pocketflow size": "PocketFlow is **100 lines** of Python without dependencies.",
    "pocketflow nodes": "A node:\n\n1. `prep` reads the store\n2. `exec` computes\n3. `post` writes",
}


class FlakyModel:
    """Stands in for a model behind a network: the first question of all is not answered in time."""

    def __init__(self) -> None:
        self._asked = 0

    def answer(self, prompt: str) -> str:
        """The text that the prompt asks for; raises TimeoutError the first time."""
        self._asked += 1
        time.sleep(0.02)
        if self._asked == 1:
            raise TimeoutError("no answer within 30 s")
        notes = prompt.partition("Notes:\n")[2]
        return f"# What PocketFlow is\n\n{notes}\n\nSo it is *small*, and all of it can be read in a sitting."


class DecideAction(Node):
    """Looks at what is known and says what to do next."""

    def prep(self, shared: dict[str, Any]) -> list[str]:
        return [query for query in shared["open_questions"] if query not in shared["notes"]]

    def exec(self, prep_res: list[str]) -> dict[str, str]:
        if prep_res:
            return {"action": "search", "query": prep_res[0]}
        return {"action": "answer"}

    def post(self, shared: dict[str, Any], prep_res: list[str], exec_res: dict[str, str]) -> str:
        shared["query"] = exec_res.get("query")
        return exec_res["action"]


class SearchWeb(Node):
    """Finds a page, as slowly as a small network; the key of the search engine is never in the trace."""

    def prep(self, shared: dict[str, Any]) -> dict[str, str]:
        return {"query": shared["query"], "api_key": shared["api_key"]}

    def exec(self, prep_res: dict[str, str]) -> str:
        time.sleep(0.005)
        return PAGES[prep_res["query"]]

    def post(self, shared: dict[str, Any], prep_res: dict[str, str], exec_res: str) -> str:
        shared["notes"][prep_res["query"]] = exec_res
        return "decide"


class WriteAnswer(Node):
    """Asks the model; tries again when it does not answer in time."""

    def __init__(self, model: FlakyModel) -> None:
        super().__init__(max_retries=3)
        self.model = model

    def prep(self, shared: dict[str, Any]) -> str:
        return f"Answer: {shared['question']}\nNotes:\n" + "\n".join(shared["notes"].values())

    def exec(self, prep_res: str) -> str:
        return self.model.answer(prep_res)

    def post(self, shared: dict[str, Any], prep_res: str, exec_res: str) -> None:
        shared["answer"] = exec_res


class GiveUp(Node):
    """Where the agent would end if it decided that there is no answer."""

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> None:
        shared["answer"] = None


class CheckFacts(Node):
    """Says whether every note is used in the answer."""

    def prep(self, shared: dict[str, Any]) -> tuple[str, list[str]]:
        return shared["answer"], list(shared["notes"].values())

    def exec(self, prep_res: tuple[str, list[str]]) -> bool:
        answer, notes = prep_res
        return all(note in answer for note in notes)

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: bool) -> str:
        shared["is_checked"] = exec_res
        return "approve" if exec_res else "reject"


class Publish(Node):
    """Marks the answer as fit to be read."""

    def post(self, shared: dict[str, Any], prep_res: Any, exec_res: Any) -> None:
        shared["published"] = True


class ReviewAnswer(Flow):
    """Checks an answer before anybody reads it."""


class ResearchAgent(Flow):
    """From a question to an answer that was checked."""


def build_flow() -> ResearchAgent:
    """The agent: its loop, the branch that it did not take, and the review at the end."""
    decide, search, write = DecideAction(), SearchWeb(), WriteAnswer(FlakyModel())
    check = CheckFacts()
    check - "approve" >> Publish()
    check - "reject" >> GiveUp()
    decide - "search" >> search
    search - "decide" >> decide
    decide - "answer" >> write
    decide - "give_up" >> GiveUp()
    write >> ReviewAnswer(start=check)
    return ResearchAgent(start=decide)


def main() -> None:
    """Asks one question and prints the answer."""
    shared: dict[str, Any] = {
        "question": "What is PocketFlow?",
        "open_questions": list(PAGES),
        "notes": {},
        "api_key": "sk-search-4f9d2c7a81be4e0c",
    }
    build_flow().run(shared)
    print(shared["answer"])


if __name__ == "__main__":
    main()
