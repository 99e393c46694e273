"""Writes `.env.example`, and the tables of settings in the READMEs, from the settings themselves.

python docs/write_settings.py
"""

from __future__ import annotations

from pathlib import Path

from pocketflow_tracing.config import SETTINGS, Setting
from pocketflow_tracing.config.kinds import BYTES

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- settings -->", "<!-- end of settings -->"


def env_example() -> str:
    """The text of `.env.example`: every setting that has a variable, switched off by a `#`."""
    blocks = [
        "# Copy to .env, and take the # from what you want to change. A program's environment counts first.\n"
    ]
    for setting in SETTINGS:
        if setting.variables:
            first, *others = setting.variables
            also = f" (Also read: {', '.join(others)}.)" if others else ""
            blocks.append(f"# {setting.doc}{also}\n#{first}={_example(setting)}\n")
    return "\n".join(blocks)


def _example(setting: Setting) -> str:
    if setting.shown is not None or setting.default is None:
        return ""
    return str(setting.default) if setting.kind is BYTES else _default(setting)


def settings_table() -> str:
    """A Markdown table of every setting, in the order of `TracingConfig`'s fields."""
    lines = ["| setting | environment | default | |", "|---|---|---|---|"]
    for setting in SETTINGS:
        variables = ", then ".join(f"`{variable}`" for variable in setting.variables) or "in code only"
        lines.append(f"| `{setting.name}` | {variables} | {_default(setting)} | {setting.doc} |")
    return "\n".join(lines) + "\n"


def _default(setting: Setting) -> str:
    default = setting.default
    if setting.shown is not None:
        return setting.shown
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None or default == ():
        return "none"
    if setting.kind is BYTES:
        return _size(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def _size(count: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def with_table(page: str) -> str:
    """`page` with the table between its two markers as it should be."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{settings_table()}{END}{after}"


def main() -> None:
    """Brings the files up to date."""
    (ROOT / ".env.example").write_text(env_example(), encoding="utf-8")
    page = ROOT / "README.md"
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
