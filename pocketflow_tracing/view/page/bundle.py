"""The modules and styles of `view/assets` as one script and one style, for a page that loads nothing.

A module becomes a function that returns what it exports. This needs no parser, since the modules keep
to a few forms: imports stand at the beginning of a line as `import { a, b } from "./other.js";`,
exports are `export` before a function, class or const at the beginning of a line, or one list
`export{a as b};`, and no two modules import each other.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ASSETS = Path(__file__).parent.parent / "assets"
ENTRY = "page.js"
STYLES = (
    "theme.css",
    "page.css",
    "summary.css",
    "tree.css",
    "graph.css",
    "inspector.css",
    "values.css",
    "print.css",
)

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./([^"]+)";', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function\*?|class|const)\s+(\w+))", re.MULTILINE)
_EXPORT_LIST = re.compile(r"(?:^|(?<=;))export\s*\{([^}]*)\};?", re.MULTILINE)
# Where a library's source could be found; a browser's tools would ask for it over the network.
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


@cache
def script(entry: str = ENTRY) -> str:
    """The module `entry` and all that it imports, as one script."""
    names: dict[Path, str] = {}
    parts: list[str] = []
    _add(ASSETS / entry, names, parts)
    return '"use strict";\n' + "\n".join(parts)


@cache
def style() -> str:
    """All styles, one after the other."""
    return "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLES)


def _add(path: Path, names: dict[Path, str], parts: list[str]) -> str:
    """Append the module at `path` after those it imports; gives the variable that holds its exports."""
    path = path.resolve()
    if path in names:
        return names[path]
    source = _SOURCE_MAP.sub("", path.read_text(encoding="utf-8"))
    source = _IMPORT.sub(
        lambda found: f"const {{ {_renamed(found[1])} }} = {_add(path.parent / found[2], names, parts)};",
        source,
    )
    exports = [found[1] for found in _EXPORT.finditer(source)]
    source = _EXPORT.sub("", source)
    for found in _EXPORT_LIST.finditer(source):
        exports += [_turned(entry) for entry in found[1].split(",")]
    source = _EXPORT_LIST.sub("", source)
    name = names[path] = f"module{len(names)}"
    parts.append(f"const {name} = (() => {{\n{source}\nreturn {{ {', '.join(exports)} }};\n}})();")
    return name


def _renamed(imports: str) -> str:
    """`a as b` of an import as it is written where an object is taken apart."""
    return ", ".join(
        re.sub(r"\s+as\s+", ": ", entry.strip()) for entry in imports.split(",") if entry.strip()
    )


def _turned(entry: str) -> str:
    """`a as b` of an export as an entry of the object that is returned."""
    own, _, other = entry.strip().partition(" as ")
    return f'"{other}": {own}' if other else own
