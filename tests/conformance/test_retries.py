"""Attempts, fallbacks and items: what was tried, what failed, what worked in the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchNode,
    BaseNode,
    BatchNode,
    Flow,
    Node,
)

from .harness import both, compare, run_flow, shown, spans_of, tree

FAILURES: list[type[Exception]] = [ValueError, KeyError]


def attempt(shared: Any, item: Any = None) -> Any:
    """Fail with the next planned exception; work when none is left."""
    tried = shared["tried"]
    tried.append(item)
    count = tried.count(item)
    planned = shared["plan"].get(item, [])
    if count <= len(planned):
        raise planned[count - 1](f"{item} failed {count}")
    return f"{item} worked {count}"


class Flaky(Node):
    """Does what the store plans."""

    def prep(self, shared: Any) -> Any:
        return shared

    def exec(self, prep_res: Any) -> Any:
        return attempt(prep_res)


class AsyncFlaky(AsyncNode):
    """The same in a coroutine."""

    async def prep_async(self, shared: Any) -> Any:
        return shared

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return attempt(prep_res)


def plan(*failures: type[Exception]) -> dict[str, Any]:
    """A store that makes the one item fail with these, one after the other."""
    return {"tried": [], "plan": {None: list(failures)}}


def flow_of(node: Any) -> Any:
    """A flow of one node."""
    return AsyncFlow(start=node) if isinstance(node, AsyncNode) else Flow(start=node)


@pytest.mark.parametrize("kind", [Flaky, AsyncFlaky])
def test_two_failures_then_success_are_three_attempts(kind: Any) -> None:
    """Each failed attempt keeps its own exception and counts as recovered."""
    (trace,) = compare(
        lambda shared: run_flow(flow_of(kind(max_retries=3)), shared), lambda: plan(ValueError, KeyError)
    )
    name = kind.__name__
    assert shown(trace) == tree(f"""
        flow {flow_of(kind()).__class__.__name__} ok
          node {name} ok
            prep ok
            exec error ValueError attempt=1 recovered
            exec error KeyError attempt=2 recovered
            exec ok attempt=3
    """)
    messages = [span.error and span.error.message for span in spans_of(trace, "exec")]
    assert messages == ["None failed 1", "'None failed 2'", None]
    assert spans_of(trace, "node")[0].attributes["attempts"] == 3
    assert [span.attributes["max_attempts"] for span in spans_of(trace, "exec")] == [3, 3, 3]


@pytest.mark.parametrize("wait", [0, 0.001])
def test_waiting_between_attempts_changes_nothing(wait: float) -> None:
    """The time that PocketFlow waits belongs to no attempt."""
    assert both(lambda: Flow(start=Flaky(max_retries=2, wait=wait)), lambda: plan(ValueError)) == tree("""
        flow Flow ok
          node Flaky ok
            prep ok
            exec error ValueError attempt=1 recovered
            exec ok attempt=2
    """)


def test_an_async_node_that_waits_between_attempts() -> None:
    """The same on an event loop."""
    node = AsyncFlaky(max_retries=2, wait=0.001)
    assert both(lambda: AsyncFlow(start=node), lambda: plan(ValueError)) == tree("""
        flow AsyncFlow ok
          node AsyncFlaky ok
            prep ok
            exec error ValueError attempt=1 recovered
            exec ok attempt=2
    """)


class Caught(Flaky):
    """Answers when all attempts failed."""

    def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        return f"instead of {exc}"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answer"] = exec_res


class AsyncCaught(AsyncFlaky):
    """The same in coroutines."""

    async def exec_fallback_async(self, prep_res: Any, exc: Exception) -> Any:
        await asyncio.sleep(0)
        return f"instead of {exc}"

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answer"] = exec_res


@pytest.mark.parametrize("kind", [Caught, AsyncCaught])
def test_a_fallback_after_the_last_failure_recovers_the_node(kind: Any) -> None:
    """All attempts failed, and the node is ok."""
    assert both(lambda: flow_of(kind(max_retries=2)), lambda: plan(ValueError, KeyError)) == tree(f"""
        flow {flow_of(kind()).__class__.__name__} ok
          node {kind.__name__} ok
            prep ok
            exec error ValueError attempt=1 recovered
            exec error KeyError attempt=2 recovered
            fallback ok
            post ok
    """)


def test_a_single_attempt_caught_by_the_fallback() -> None:
    """Without a retry the failed attempt is numbered too, since it was recovered."""
    assert both(lambda: Flow(start=Caught()), lambda: plan(ValueError)) == tree("""
        flow Flow ok
          node Caught ok
            prep ok
            exec error ValueError attempt=1 recovered
            fallback ok
            post ok
    """)


@pytest.mark.parametrize("kind", [Flaky, AsyncFlaky])
def test_without_a_fallback_the_last_failure_fails_node_and_flow(kind: Any) -> None:
    """PocketFlow's own fallback only raises again and leaves no span."""
    flow = flow_of(kind()).__class__.__name__
    assert both(lambda: flow_of(kind(max_retries=2)), lambda: plan(ValueError, KeyError)) == tree(f"""
        flow {flow} error KeyError
          node {kind.__name__} error KeyError
            prep ok
            exec error ValueError attempt=1 recovered
            exec error KeyError attempt=2
    """)


def test_a_fallback_that_raises_fails_with_its_own_exception() -> None:
    """The attempt was not recovered then."""

    class Worse(Flaky):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            raise RuntimeError("worse") from exc

    assert both(lambda: Flow(start=Worse()), lambda: plan(ValueError)) == tree("""
        flow Flow error RuntimeError
          node Worse error RuntimeError
            prep ok
            exec error ValueError
            fallback error RuntimeError
    """)


def test_a_fallback_that_raises_the_same_exception_again() -> None:
    """It is one exception on four levels."""

    class Same(Flaky):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            raise exc

    assert both(lambda: Flow(start=Same()), lambda: plan(ValueError)) == tree("""
        flow Flow error ValueError
          node Same error ValueError
            prep ok
            exec error ValueError
            fallback error ValueError
    """)


class Untried(Flaky):
    """Its post shows what exec gave."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["answer"] = exec_res


def test_no_retries_at_all_is_no_exec() -> None:
    """With max_retries=0 PocketFlow never calls exec; post is given None."""
    assert both(lambda: Flow(start=Untried(max_retries=0)), plan) == tree("""
        flow Flow ok
          node Untried ok
            prep ok
            post ok
    """)


def test_no_retries_at_all_is_no_exec_in_async_nodes() -> None:
    """The same in a coroutine."""
    assert both(lambda: AsyncFlow(start=AsyncFlaky(max_retries=0)), plan) == tree("""
        flow AsyncFlow ok
          node AsyncFlaky ok
            prep ok
    """)


def test_a_base_node_has_no_attempts() -> None:
    """BaseNode calls exec once and knows no retry."""

    class Single(BaseNode):
        def exec(self, prep_res: Any) -> Any:
            raise ValueError("once")

    assert both(lambda: Flow(start=Single())) == tree("""
        flow Flow error ValueError
          node Single error ValueError
            exec error ValueError
    """)


class Items(BatchNode):
    """Three items; the store plans which of them fail."""

    def prep(self, shared: Any) -> Any:
        return [(shared, item) for item in "abc"]

    def exec(self, prep_res: Any) -> Any:
        return attempt(*prep_res)


class AsyncItems(AsyncBatchNode):
    """The same, one after the other on an event loop."""

    async def prep_async(self, shared: Any) -> Any:
        return [(shared, item) for item in "abc"]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return attempt(*prep_res)


class ParallelItems(AsyncParallelBatchNode):
    """The same, all at once."""

    async def prep_async(self, shared: Any) -> Any:
        return [(shared, item) for item in "abc"]

    async def exec_async(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        return attempt(*prep_res)


@pytest.mark.parametrize("kind", [Items, AsyncItems])
def test_one_item_of_a_batch_is_retried_by_itself(kind: Any) -> None:
    """Attempts count from 1 within each item."""
    store = {"tried": [], "plan": {"b": FAILURES}}
    assert both(lambda: flow_of(kind(max_retries=3)), store) == tree(f"""
        flow {flow_of(kind()).__class__.__name__} ok
          node {kind.__name__} ok
            prep ok
            exec ok item=0
            exec error ValueError item=1 attempt=1 recovered
            exec error KeyError item=1 attempt=2 recovered
            exec ok item=1 attempt=3
            exec ok item=2
    """)


def test_items_retried_in_parallel_keep_their_own_attempts() -> None:
    """The items start together; the retries come after, in the order they failed."""
    store = {"tried": [], "plan": {"a": [ValueError], "b": FAILURES}}
    assert both(lambda: AsyncFlow(start=ParallelItems(max_retries=3)), store) == tree("""
        flow AsyncFlow ok
          node ParallelItems ok
            prep ok
            exec error ValueError item=0 attempt=1 recovered
            exec error ValueError item=1 attempt=1 recovered
            exec ok item=2
            exec ok item=0 attempt=2
            exec error KeyError item=1 attempt=2 recovered
            exec ok item=1 attempt=3
    """)


def test_one_item_of_a_batch_falls_back() -> None:
    """The other items are not touched."""

    class Forgiving(Items):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
            return "instead"

    store = {"tried": [], "plan": {"b": FAILURES}}
    assert both(lambda: Flow(start=Forgiving(max_retries=2)), store) == tree("""
        flow Flow ok
          node Forgiving ok
            prep ok
            exec ok item=0
            exec error ValueError item=1 attempt=1 recovered
            exec error KeyError item=1 attempt=2 recovered
            fallback ok item=1
            exec ok item=2
    """)


def test_an_item_that_fails_for_good_ends_the_batch() -> None:
    """The items after it never start."""
    store = {"tried": [], "plan": {"b": FAILURES}}
    assert both(lambda: Flow(start=Items(max_retries=2)), store) == tree("""
        flow Flow error KeyError
          node Items error KeyError
            prep ok
            exec ok item=0
            exec error ValueError item=1 attempt=1 recovered
            exec error KeyError item=1 attempt=2
    """)
