"""What the kernel offers on one system only, in a form that a test can supply on every other."""
