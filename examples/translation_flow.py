"""Somebody else's flow, as it comes from a package: we may run it, not change it."""

from __future__ import annotations

from typing import Any

from pocketflow import Flow, Node

WORDS = {"good": "gut", "morning": "Morgen", "world": "Welt"}


class Split(Node):
    """Cuts a text into words."""

    def prep(self, shared: dict[str, Any]) -> str:
        text: str = shared["text"]
        return text

    def exec(self, prep_res: str) -> list[str]:
        return prep_res.split()

    def post(self, shared: dict[str, Any], prep_res: str, exec_res: list[str]) -> str:
        shared["words"] = exec_res
        return "translate" if exec_res else "empty"


class Translate(Node):
    """Translates word by word; a word it does not know stays as it is."""

    def prep(self, shared: dict[str, Any]) -> list[str]:
        words: list[str] = shared["words"]
        return words

    def exec(self, prep_res: list[str]) -> str:
        return " ".join(WORDS[word.lower()] for word in prep_res)

    def exec_fallback(self, prep_res: list[str], exc: Exception) -> str:
        return " ".join(WORDS.get(word.lower(), word) for word in prep_res)

    def post(self, shared: dict[str, Any], prep_res: list[str], exec_res: str) -> None:
        shared["translation"] = exec_res


_split = Split()
_split - "translate" >> Translate()
flow = Flow(start=_split)
