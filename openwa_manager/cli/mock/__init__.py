"""`mock`: a daemon with simulated engines in a temporary home, for the tests of applications."""
