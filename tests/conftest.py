from openwa_manager.processes.locks import reserve_fd

reserve_fd()  # as the daemon does: before event loops and captured streams take the low numbers
