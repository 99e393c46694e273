"""The graph of a trace as Mermaid, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Trace
from .text import clip, counted
from .walked import DEFAULT, Walked, WalkedEdge, WalkedFlow, WalkedNode

MAX_LABEL = 60
_CLASSES = (
    "classDef taken fill:#e8eeff,stroke:#3b5bdb,stroke-width:2px,color:#16213f",
    "classDef recovered fill:#fff3dc,stroke:#b36b00,stroke-width:2px,color:#3f2a05",
    "classDef failed fill:#ffe9e9,stroke:#c92a2a,stroke-width:3px,color:#5c1111",
    "classDef untaken fill:#f4f5f7,stroke:#aab2bf,stroke-dasharray:4 3,color:#5a6372",
    "classDef spot fill:#3b5bdb,stroke:#3b5bdb,color:#3b5bdb",
    "classDef lost fill:#c92a2a,stroke:#c92a2a,color:#ffffff",
)
_LINK_STYLES = {"taken": "stroke:#3b5bdb,stroke-width:3px", "lost": "stroke:#c92a2a,stroke-width:3px"}
_PLAIN = frozenset(" _-.,×·→")


def mermaid(trace: Trace) -> str:
    """The flowchart: what ran is bold, numbered and counted; what did not is grey."""
    return "\n".join(_Chart(Walked(trace)).lines()) + "\n"


class _Chart:
    """The chart while it is written; Mermaid numbers its links in the order they come."""

    def __init__(self, walked: Walked) -> None:
        self._tops = [flow for flow in walked.flows.values() if flow.nodes and flow.holder is None]
        self._inner = {flow.holder: flow for flow in walked.flows.values() if flow.nodes and flow.holder}
        self._names = {id: f"n{number}" for number, id in enumerate(walked.nodes, start=1)}
        self._links: list[str] = []
        self._looks: dict[str, list[int]] = {look: [] for look in _LINK_STYLES}

    def lines(self) -> Iterator[str]:
        """The text of the chart, line by line."""
        yield "flowchart LR"
        for number, flow in enumerate(self._tops, start=1):
            yield from self._box(flow, f"f{number}", _times("iteration", flow.walks), "  ")
        yield from self._links
        yield from (f"  {line}" for line in _CLASSES)
        for look, links in self._looks.items():
            if links:
                yield f"  linkStyle {','.join(map(str, links))} {_LINK_STYLES[look]}"

    def _box(self, flow: WalkedFlow, name: str, told: str, indent: str) -> Iterator[str]:
        yield f'{indent}subgraph {name}["{_text(flow.label)}{f" · {told}" if told else ""}"]'
        for node in flow.nodes:
            inner = self._inner.get(node.id)
            if inner is not None:
                yield from self._box(inner, self._names[node.id], _told(node), indent + "  ")
            else:
                yield f'{indent}  {self._names[node.id]}["{_label(node)}"]:::{_look(node)}'
        spots = self._ways(flow, name)
        yield from (f"{indent}  {spot}" for spot in spots)
        yield f"{indent}end"

    def _ways(self, flow: WalkedFlow, name: str) -> list[str]:
        """Add the links of a flow; gives the spots where it starts and ends, which stand in its box."""
        spots = []
        if flow.walks:
            spots.append(f"{name}_start(( )):::spot")
            self._link(f"{name}_start", "-->", "", self._names[flow.nodes[0].id], "taken")
        for number, edge in enumerate(flow.edges):
            end = f"{name}_end{number}"
            if edge.target is None:
                spots.append(f'{end}(("×")):::lost' if edge.kind == "lost" else f"{end}((( ))):::spot")
            self._edge(edge, end)
        return spots

    def _edge(self, edge: WalkedEdge, end: str) -> None:
        source, target = self._names[edge.source], end if edge.target is None else self._names[edge.target]
        if edge.kind == "lost":
            self._link(source, "--x", f"{_text(edge.action)} not found", target, "lost")
            return
        action = "" if edge.action == DEFAULT else _text(edge.action)
        label = " ".join(filter(None, (action, f"×{edge.count}" if edge.count > 1 else "")))
        self._link(source, "-->" if edge.count else "-.->", label, target, "taken" if edge.count else None)

    def _link(self, source: str, line: str, label: str, target: str, look: str | None) -> None:
        if look is not None:
            self._looks[look].append(len(self._links))
        told = f'|"{label}"|' if label else ""
        self._links.append(f"  {source} {line}{told} {target}")


def _label(node: WalkedNode) -> str:
    steps = ", ".join(map(str, node.steps)) + (" …" if node.runs > len(node.steps) > 1 else "")
    told = _told(node)
    return (f"{steps} · " if steps else "") + _text(node.label) + (f"<br/>{told}" if told else "")


def _told(node: WalkedNode) -> str:
    """How often a node ran, and what else is to be known of it."""
    facts = [
        f"×{node.runs}" if node.runs > 1 else "",
        counted(node.items, "item") if node.items else "",
        counted(node.iterations, "iteration") if node.iterations else "",
        counted(node.retries, "retry") if node.retries else "",
        "failed" if node.failed else "",
        "running" if node.running else "",
        "stopped" if node.stopped else "",
    ]
    return " · ".join(filter(None, facts))


def _times(noun: str, number: int) -> str:
    return counted(number, noun) if number > 1 else ""


def _look(node: WalkedNode) -> str:
    if node.failed:
        return "failed"
    if node.caught or node.retries:
        return "recovered"
    return "taken" if node.runs else "untaken"


def _text(text: str) -> str:
    """A text as Mermaid takes it: what could mean something to it, or to HTML, by its number."""
    return "".join(
        letter if letter.isalnum() or letter in _PLAIN else f"#{ord(letter)};"
        for letter in clip(text, MAX_LABEL)
    )
