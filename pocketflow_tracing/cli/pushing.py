"""`push`: sends what earlier processes could not."""

from __future__ import annotations

import click

from ..config import TracingConfig
from ..delivery.shipping.courier import Courier
from ..delivery.shipping.pushing import push as push_all
from ..errors import TracingError
from ..sinks.network import NetworkSink, configured
from ..store import Store
from ..store.outbox import Outbox, waiting
from ..view.text import counted, visible
from .commands import commands
from .ending import failing_clearly
from .opened import opened_store, tell, trace_named

PATIENCE_SECONDS = 60.0


@commands.command()
@click.argument("ids", nargs=-1, metavar="[last|ID…]")
@click.option(
    "--timeout", "seconds", type=click.FloatRange(min=0), default=PATIENCE_SECONDS, show_default=True,
    help="Seconds to try for.",
)  # fmt: skip
@failing_clearly
def push(ids: tuple[str, ...], seconds: float) -> None:
    """Send the traces that wait to Langfuse.

    They go to the project (or other backend) of the settings. With ids, sends these traces,
    also if they were made without any keys.
    """
    config = TracingConfig.from_env()
    sinks = configured(config)
    if not sinks:
        missing = (
            "LANGFUSE_TRACING_ENABLED is off"
            if config.langfuse_public_key and config.langfuse_secret_key and not config.langfuse_enabled
            else "set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, or POCKETFLOW_TRACING_OTLP=on"
        )
        raise TracingError(f"nowhere to send to: {missing}")
    with opened_store() as store:
        named = [_ended(store, id) for id in ids] or None
        couriers = push_all(store, sinks, seconds, named, _say_wait)
        left = [_report(store, courier) for courier in couriers]
        _report_others(store, sinks)
    if any(left):
        raise TracingError("not everything was sent; find out why: pocketflow-tracing doctor")


def _say_wait(seconds: float) -> None:
    if seconds >= 0.5:
        click.echo(f"trying again in {seconds:.0f} s (Ctrl-C stops; nothing is lost)", err=True)


def _ended(store: Store, id: str) -> str:
    trace = trace_named(store, id)
    if trace.end_ns is None and trace.complete:
        raise TracingError(f"trace {trace.id} still runs; it can be sent when it has ended")
    return trace.id


def _report(store: Store, courier: Courier) -> int:
    """Say what was sent to one destination, and what was not; how many spans that is."""
    outbox = Outbox(store, courier.sink.destination)
    place = f"{courier.sink.name} at {courier.sink.destination.host}"
    sent = f"{counted(courier.sent_traces, 'trace')} ({counted(courier.sent_spans, 'span')})"
    tell(f"sent {sent} to {place}" if courier.sent_spans else f"nothing new was sent to {place}")
    if courier.rejected_spans:
        tell(f"  {counted(courier.rejected_spans, 'span')} it did not take, as malformed")
    for url in list(courier.urls.values())[-3:]:
        tell(f"  {visible(url)}")
    left = outbox.left(reachable=True)
    if left:
        tell(f"  {counted(left, 'span')} still wait: {visible(courier.reason or 'there was no time left')}")
    if busy := outbox.left() - left:
        tell(f"  {counted(busy, 'span')} another process is sending right now")
    return left


def _report_others(store: Store, sinks: tuple[NetworkSink, ...]) -> None:
    own = {sink.destination for sink in sinks}
    for other in waiting(store):
        if other.traces and (other.kind, other.host, other.account) not in own:
            place = f"{visible(other.account)} at {visible(other.host)}"
            tell(
                f"{counted(other.traces, 'trace')} waiting for {place}: "
                "set the keys of that project to send them"
            )
