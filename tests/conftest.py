import structlog
from hypothesis import settings

from openwa_manager.processes.locks import reserve_lock_fd

# How long an example takes says more about the machine's neighbours. The same examples in each run: what is red once is
# red again, and the coverage of the domain does not depend on chance. The slow tests take new ones.
settings.register_profile("shared", deadline=None, derandomize=True)
settings.load_profile("shared")

reserve_lock_fd()  # as the daemon does: before event loops and captured streams take the low numbers

# Where rich is installed, structlog draws an error's locals beside it: of a large one that takes a minute.
_processors = structlog.get_config()["processors"]
_plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*_processors[:-1], _plain])
