"""Reviews scored side by side, with a model that sometimes does not answer: each item keeps its own retries.

python examples/parallel_reviews.py
"""

from __future__ import annotations

import asyncio
from typing import Any

from pocketflow import AsyncFlow, AsyncNode, AsyncParallelBatchNode

from pocketflow_tracing import trace_flow

REVIEWS = ["Great soup, great people.", "", "Waited an hour. Cold.", "???"]


class FlakyModel:
    """Stands in for a model behind a network: the first call for some reviews times out."""

    def __init__(self) -> None:
        self._asked: list[str] = []

    async def score(self, review: str) -> int:
        """Stars from 1 to 5; raises TimeoutError now and then, ValueError for what it cannot read."""
        self._asked.append(review)
        # Later reviews take fewer turns, so the items finish in another order than they started in.
        for _ in range(2 * (len(REVIEWS) - REVIEWS.index(review))):
            await asyncio.sleep(0)
        if not review.strip("?"):
            raise ValueError("nothing to read")
        if "Cold" in review and self._asked.count(review) == 1:
            raise TimeoutError("no answer in time")
        return 5 if "Great" in review else 2


class LoadReviews(AsyncNode):
    """Puts the reviews into the store."""

    async def exec_async(self, prep_res: Any) -> list[str]:
        return list(REVIEWS)

    async def post_async(self, shared: dict[str, Any], prep_res: Any, exec_res: list[str]) -> str:
        shared["reviews"] = exec_res
        return "default"


class ScoreReviews(AsyncParallelBatchNode):
    """Scores all reviews at once; one that cannot be read gets no stars."""

    def __init__(self, model: FlakyModel) -> None:
        super().__init__(max_retries=2)
        self.model = model

    async def prep_async(self, shared: dict[str, Any]) -> list[str]:
        reviews: list[str] = shared["reviews"]
        return reviews

    async def exec_async(self, prep_res: str) -> int:
        return await self.model.score(prep_res)

    async def exec_fallback_async(self, prep_res: str, exc: Exception) -> None:
        return None

    async def post_async(
        self, shared: dict[str, Any], prep_res: list[str], exec_res: list[int | None]
    ) -> None:
        shared["stars"] = exec_res


@trace_flow(flow_name="ReviewScores", tags=["example"])
class ReviewFlow(AsyncFlow):
    """Loads the reviews, then scores them in parallel."""


async def main() -> None:
    """Scores the reviews and prints the stars."""
    load = LoadReviews()
    load >> ScoreReviews(FlakyModel())
    shared: dict[str, Any] = {}
    await ReviewFlow(start=load).run_async(shared)
    for review, stars in zip(shared["reviews"], shared["stars"], strict=True):
        print(f"{'*' * stars if stars else '-':5} {review!r}")


if __name__ == "__main__":
    asyncio.run(main())
