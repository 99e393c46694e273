"""`doctor`: what stands between a run and its trace, one line each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from ..config import TracingConfig
from ..delivery.shipping.courier import Courier
from ..errors import ConfigError, StoreError, TracingError
from ..sinks.network import NetworkSink, configured
from ..sinks.otlp.settings import hindrance
from ..store import Store
from ..store.outbox import Waiting, waiting
from ..view.text import counted, visible
from .commands import commands
from .ending import failing_clearly
from .opened import tell

Finding = tuple["bool | None", str, str]
"""Whether something is right, or None where it is a choice; what it is; what to do for another one."""
_SIGNS = {True: "✓", False: "✗", None: "–"}


@commands.command()
@failing_clearly
def doctor() -> None:
    """Say what keeps traces from being kept or sent.

    Checks settings, store and server, and says what to do. Exit status 1 if anything is wrong; a
    choice, such as to have no keys, is not.
    """
    wrong = 0
    for is_right, what, advice in _checks():
        tell(f"{_SIGNS[is_right]} {visible(what)}")
        wrong += is_right is False
        if advice and not is_right:
            tell(f"    {visible(advice)}")
    if wrong:
        raise TracingError(f"{counted(wrong, 'thing')} to set right")


def _checks() -> Iterator[Finding]:
    try:
        config = TracingConfig.from_env()
    except ConfigError as problem:
        yield False, str(problem), "correct it in the environment or in .env"
        return
    if not config.enabled:
        yield False, "tracing is off (POCKETFLOW_TRACING)", "set POCKETFLOW_TRACING=on to trace"
    yield from _store_checks(config)
    yield from _langfuse_checks(config)


def _store_checks(config: TracingConfig) -> Iterator[Finding]:
    if config.store is None:
        yield True, "the trace store is off (POCKETFLOW_TRACING_STORE): traces are sent from memory", ""
        return
    store = Store(config.store)
    try:
        kept, outbox = len(store.traces(limit=1_000)), waiting(store)
    except StoreError as problem:
        yield False, str(problem), "name another file in POCKETFLOW_TRACING_STORE"
        return
    finally:
        store.close()
    hindrance = _hindrance(Path(config.store))
    if hindrance is not None:
        what = f"the store {config.store} cannot be written: {hindrance}"
        yield False, what, "name another file in POCKETFLOW_TRACING_STORE"
        return
    many = "1,000 traces or more" if kept == 1_000 else counted(kept, "trace")
    yield True, f"the store {config.store} holds {many}", ""
    for one in outbox:
        # What does not arrive is told again below, with what to do; a tick would say that all is well.
        yield True if one.failure is None else None, _outbox_line(one), ""


def _hindrance(store: Path) -> str | None:
    """Why a run could not write or make the file `store`, or None; what is made to find out is gone at once.

    Permissions alone do not tell: /proc says that root may write there.
    """
    nearest = next(place for place in (store, *store.parents) if os.path.exists(place))
    if nearest == store:
        if not os.access(store, os.W_OK):
            return f"{store} is read-only for you"
        nearest = store.parent
    elif not nearest.is_dir():
        return f"{nearest} is not a folder"
    try:
        with TemporaryFile(dir=nearest):
            return None
    except OSError as failure:
        return f"no file can be made in {nearest} ({failure.strerror})"


def _outbox_line(one: Waiting) -> str:
    parts = [f"{counted(one.sent_spans, 'span')} sent"]
    if one.rejected_spans:
        parts.append(f"{counted(one.rejected_spans, 'span')} not taken")
    if one.traces:
        parts.append(f"{counted(one.traces, 'trace')} ({counted(one.spans, 'span')}) waiting")
    if one.running:
        parts.append(f"{counted(one.running, 'trace')} not ended")
    if one.failure is not None and one.failure_ns is not None:
        ago = (time.time_ns() - one.failure_ns) / 1e9
        parts.append(f"last try failed {ago:,.0f} s ago: {one.failure}")
    return f"outbox for {one.account} at {one.host}: {', '.join(parts)}"


def _langfuse_checks(config: TracingConfig) -> Iterator[Finding]:
    yield from _key_checks(config)
    if config.otlp and (wrong := hindrance()) is not None:
        yield False, wrong, "set it right, or POCKETFLOW_TRACING_OTLP=off"
    for sink in configured(config):
        if sink.destination.kind == "langfuse":
            from ..sinks.langfuse.checks import checks

            yield from checks(sink)
        else:
            yield _otlp_check(sink)


def _key_checks(config: TracingConfig) -> Iterator[Finding]:
    public, secret = config.langfuse_public_key, config.langfuse_secret_key
    if not public and not secret:
        if not config.otlp:
            yield (
                None,
                "no keys: traces stay on this machine, and nothing is sent to Langfuse",
                "to send them, set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY (settings of your project)",
            )
    elif not (public and secret):
        missing = "LANGFUSE_SECRET_KEY" if public else "LANGFUSE_PUBLIC_KEY"
        yield False, f"{missing} is not set: nothing is sent to Langfuse", "keys come in pairs"
    elif public.startswith("sk-") or secret.startswith("pk-"):
        yield (
            False,
            "the keys are swapped",
            "LANGFUSE_PUBLIC_KEY starts with pk-, LANGFUSE_SECRET_KEY with sk-",
        )
    elif not config.langfuse_enabled:
        yield False, "LANGFUSE_TRACING_ENABLED is off: nothing is sent to Langfuse", "set it to on"
    else:
        yield True, f"the keys are set: {public}", ""


def _otlp_check(sink: NetworkSink) -> Finding:
    courier = Courier(sink)
    try:
        reason = courier.test()
    finally:
        courier.close()
    url = sink.endpoint.url.rpartition("@")[2]
    if reason is None:
        return True, f"the OpenTelemetry backend accepts traces at {url}", ""
    what = f"the OpenTelemetry backend at {url} does not accept traces: {reason}"
    advice = "is it up, and are OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS right?"
    return False, what, advice
