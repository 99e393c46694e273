"""Python imports this before a program that `pocketflow-tracing run` starts, and forgets it again.

`site` imports a module of this name first of all, from the first folder of PYTHONPATH, where the
runner put ours. Everything is as without us when the program's own code begins: the environment,
`sys.path`, and a `sitecustomize` of the user's own, which has been imported in place of this one.
"""

import os
import sys

_KNOWN = frozenset(sys.modules)


def _start() -> None:
    import json

    order = json.loads(os.environ.pop("_POCKETFLOW_TRACING_RUN", "null"))
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != folder]
    sys.path_importer_cache.pop(folder, None)
    if order is None:
        return
    if order["python_path"] is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = order["python_path"]
    try:
        # Where the runner itself came from; it need not be on the program's own path.
        sys.path.insert(0, order["home"])
        try:
            from pocketflow_tracing.cli.observed import observe
        finally:
            sys.path.remove(order["home"])
        observe(order, _KNOWN)
    except Exception as failure:
        # The program runs as it would without us.
        if sys.stderr is not None:
            kind = type(failure).__name__
            print(f"[TRACING] this run is not traced: {kind}: {failure}", file=sys.stderr)


def _give_place() -> None:
    """Import the user's own module of this name; without one, be as if there were none.

    `site` passes over an ImportError that names this module, so nothing is left in `sys.modules`.
    """
    import importlib

    sys.modules.pop("sitecustomize", None)
    importlib.import_module("sitecustomize")


try:
    _start()
finally:
    _give_place()
