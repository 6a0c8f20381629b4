"""What macOS tells of its processes, through libproc and sysctl: nothing is to be installed for it."""
