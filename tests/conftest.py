from hypothesis import settings

from openwa_manager.processes.locks import reserve_lock_fd

# How long an example takes says more about the machine's neighbours. The same examples in each run: what is red once is
# red again, and the coverage of the domain does not depend on chance. The slow tests take new ones.
settings.register_profile("shared", deadline=None, derandomize=True)
settings.load_profile("shared")

reserve_lock_fd()  # as the daemon does: before event loops and captured streams take the low numbers
