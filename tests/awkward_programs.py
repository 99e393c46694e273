"""Programs that notice how they are run, each by the name of what it is about."""

from __future__ import annotations

WHO_AM_I = """
'''The docstring.'''
x: int = 1
import sys
for name in sorted(globals()):
    if name not in ("sys", "__loader__", "__builtins__"):
        print(name, "=", globals()[name])
print(type(__loader__).__name__, type(__builtins__).__name__)
print(sys.argv, sys.orig_argv[1:-1], sys.path, sys.flags, sys.warnoptions, sys._xoptions)
print(sys.modules["__main__"].__dict__ is globals(), "sitecustomize" in sys.modules)
"""

SURROUNDINGS = """
import os, signal, sys, threading
print(sorted(item for item in os.environ.items()))
print([signal.getsignal(number) for number in sorted(signal.valid_signals())])
print([t.name for t in threading.enumerate()], threading.current_thread() is threading.main_thread())
print(sys.getprofile() if sys.version_info >= (3, 12) else None, sys.gettrace(), sys.getrecursionlimit())
print(sys.excepthook is sys.__excepthook__, sys.stdout, sys.stderr, os.getcwd(), os.umask(0o22))
print(sorted(map(str, sys.path_importer_cache)) == sorted(map(str, set(sys.path_importer_cache))))
print(any("startup" in str(entry) for entry in [*sys.path_importer_cache, *sys.path]))
"""

CHAINED = """
def inner():
    return {}["key"]

def outer():
    try:
        inner()
    except KeyError as missing:
        raise ValueError("first line\\nsecond") from missing

try:
    outer()
except ValueError:
    1 / 0
"""

UNPRINTABLE = """
class Strange(Exception):
    def __str__(self):
        raise RuntimeError("no")

raise Strange
"""

HOOKS = """
import sys, threading
sys.excepthook = lambda kind, value, trace: print("hook", kind, value, trace.tb_lineno, trace.tb_next)
threading.excepthook = lambda args: print("thread", args.exc_type, args.exc_value)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start(); thread.join()
raise ValueError("main")
"""

THREADS = """
import sys, threading
ready = threading.Event()
def work():
    ready.wait(5)
    print("the thread outlives main")
    sys.exit(9)
threading.Thread(target=work).start()
threading.Thread(target=lambda: {}["x"], name="named").start()
ready.set()
"""

AT_EXIT = """
import atexit, sys
class Last:
    def __del__(self):
        print("deleted")
keep = Last()
atexit.register(print, "first in, last out")
atexit.register(lambda: 1 / 0)
atexit.register(lambda: print("exc", sys.exc_info()))
sys.exit("words for stderr")
"""

SPAWN = """
import multiprocessing, sys
def double(number):
    import __main__
    return number * 2, __name__, sys.argv, hasattr(__main__, "double")
if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            print(method, pool.map(double, [1, 2]))
            pool.close(); pool.join()
"""

PICKLES = """
import pickle, typing, dataclasses, copyreg
@dataclasses.dataclass
class Point:
    x: "int"
    next: "typing.Optional[Point]" = None
print(pickle.loads(pickle.dumps(Point(1, Point(2)))), pickle.dumps(Point(1)))
print(typing.get_type_hints(Point))
"""

WARNINGS = """
import warnings, logging
def warn(level):
    warnings.warn(f"level {level}", stacklevel=level)
for level in range(1, 6):
    warn(level)
warnings.warn("old", DeprecationWarning)
logging.warning("to the last resort")
"""

STACKS = """
import inspect, sys, traceback, faulthandler
traceback.print_stack()
print(len(inspect.stack()), sys._getframe().f_back, sys._getframe().f_code.co_filename)
faulthandler.dump_traceback()
"""

DEPTH = """
def deep(n=0):
    try:
        return deep(n + 1)
    except RecursionError:
        return n
print(deep())
"""

STDIN = """
import sys
print(repr(input("name? ")), repr(sys.stdin.read()), sys.stdin.isatty())
print(repr(input()))
"""

ASYNC = """
import asyncio
async def main():
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    raise ValueError("inside")
asyncio.run(main())
"""

LIVES_ON = """
import os, sys
print("before", flush=True)
pid = os.fork()
if pid == 0:
    sys.exit(3)
print("child ended with", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

SCRIPTS = {
    "who am I": WHO_AM_I,
    "surroundings": SURROUNDINGS,
    "chained exceptions": CHAINED,
    "an exception that cannot be printed": UNPRINTABLE,
    "an exception with notes": "e = ValueError('x')\ne.__notes__ = ['a', 'b']\nraise e",
    "a syntax error": "print('never')\nif True print(1)\n",
    "a tab error": "if True:\n\tx\n        y\n",
    "a null byte": "x = 1\0\n",
    "a wrong encoding": "# coding: nonsense\n",
    "a syntax error in an import": "import broken",
    "an error in an import": "import failing",
    "a recursion": "def f(): f()\nf()",
    "exit 7": "import sys; sys.exit(7)",
    "exit None": "import sys; sys.exit(None)",
    "exit words": "import sys; sys.exit('words')",
    "exit object": "raise SystemExit([1, 2])",
    "exit 300": "import sys; sys.exit(300)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit huge": "import sys, threading; sys.exit(1 << 80)",
    "exit in an except": "try:\n 1/0\nexcept Exception:\n raise SystemExit(4)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "SIGINT": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)",
    "SIGTERM": "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)",
    "os._exit": "import os; print('lost'); os._exit(5)",
    "os.abort": "import os; os.abort()",
    "GeneratorExit": "raise GeneratorExit('odd')",
    "hooks": HOOKS,
    "a failing hook": "import sys\nsys.excepthook = 3\nraise ValueError",
    "a lost stderr": "import sys\nsys.stderr = None\nraise ValueError",
    "a closed stdout": "import sys\nprint('x')\nsys.stdout.close()",
    "unraisable": "class D:\n def __del__(self): 1/0\nD(); print('on')",
    "threads": THREADS,
    "exit handlers": AT_EXIT,
    "pickles": PICKLES,
    "warnings": WARNINGS,
    "stacks": STACKS,
    "how deep": DEPTH,
    "stdin": STDIN,
    "async": ASYNC,
    "fork": LIVES_ON,
    "changing sys.path": "import sys; sys.path.clear(); sys.argv.clear(); print(sys.path, sys.argv)",
    "changing folder": "import os; os.chdir('/'); import beside; print(beside.__file__)",
    "replacing main": "import sys, types; sys.modules['__main__'] = types.ModuleType('x'); 1/0",
    "half a line": "import sys; sys.stdout.write('out'); sys.stderr.write('err')",
}
"""Source by name; each is run as a script with arguments and a few lines on stdin."""

WATCHED_FROM_PYTHON = {
    "a recursion": ((3, 12), "our callback is the frame too many"),
    "how deep": ((3, 12), "our callback takes a few frames of the limit"),
    "SIGINT": ((3, 11), "the interrupt lands in our callback, which is then the last frame of the traceback"),
}
"""Where Pythons before a version show us: a callback in Python sees every call of a program under `run`."""

MODULES_OF_ONES_OWN = (
    "queue",
    "click",
    "rich",
    "json",
    "sqlite3",
    "logging",
    "pathlib",
    "typing",
    "dotenv",
)
"""Names of modules that the tracer imports and a program may have files of its own for."""
