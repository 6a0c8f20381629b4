"""Events and their way to endpoints, as pure rules: who wants what, when to try again, when to stop."""
