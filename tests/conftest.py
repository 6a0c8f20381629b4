from hypothesis import settings

from openwa_manager.processes.locks import reserve_lock_fd

settings.register_profile("shared", deadline=None)  # how long an example takes says more about the machine's neighbours
settings.load_profile("shared")

reserve_lock_fd()  # as the daemon does: before event loops and captured streams take the low numbers
