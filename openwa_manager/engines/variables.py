"""Which variables of an engine are a session's to set, which the admin's, and which the recipe's alone."""

import re
from collections.abc import Iterable
from functools import lru_cache

#: What a session served by OpenWA may set: how it types, paces, logs and looks. A trailing `*` stands for any ending.
OPENWA_OF_SESSIONS = (
    "BAILEYS_MARK_ONLINE_ON_CONNECT",
    "BAILEYS_WA_VERSION",
    "BODY_SIZE_LIMIT",
    "LANG",
    "LC_*",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "PUPPETEER_HEADLESS",
    "SEND_PACING_*",
    "SIMULATE_TYPING",
    "SIMULATE_TYPING_MAX_MS",
    "TZ",
    "WEBHOOK_MAX_PER_SESSION",
    "WEBHOOK_TIMEOUT",
    "WWEBJS_AUTH_TIMEOUT_MS",
    "WWEBJS_WEB_VERSION",
)

#: What a session served by the simulator may set.
SIMULATOR_OF_SESSIONS = (*OPENWA_OF_SESSIONS, "SIM_*")

#: What tells a program which code to run, whom to trust or whom to speak to: never a session's to set, whatever it is
#: that runs.
LOADS_CODE = (
    *("PATH", "HOME", "SHELL", "ENV", "IFS", "BASH*", "PS4", "PROMPT_COMMAND", "SHELLOPTS"),
    *("LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH", "NLSPATH", "GLIBC_TUNABLES", "MALLOC_*"),
    *("NODE_*", "NPM_*", "ELECTRON_*", "PYTHON*", "PERL*", "RUBY*", "GEM_*", "BUNDLE_*", "PHP*", "LUA_*", "GO*"),
    *("JAVA*", "JDK_*", "CLASSPATH", "DOTNET_*", "COMPLUS_*", "CORECLR_*", "ERL_*", "GIT_*"),
    *("OPENSSL_*", "SSL*", "CURL_*", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "KRB5*", "P11_*", "PKCS11_*"),
    *("RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", "*_PROXY", "XDG_*", "DBUS_*"),
    *("PUPPETEER_EXECUTABLE_PATH", "PUPPETEER_ARGS", "CHROME_*", "OPENWA_MANAGER_*"),
)

#: What an engine would not come up without, or not be ours: not even the admin's `engine_env` may set it.
NEEDED = (
    *("PORT", "API_MASTER_KEY", "ENGINE_TYPE", "AUTO_START_SESSIONS", "OPENWA_MANAGER_*"),
    *("RATE_LIMIT_SHORT_LIMIT", "RATE_LIMIT_MEDIUM_LIMIT", "RATE_LIMIT_LONG_LIMIT"),
    *("DATABASE_NAME", "MAIN_DATABASE_NAME", "SESSION_DATA_PATH", "BAILEYS_AUTH_DIR", "STORAGE_LOCAL_PATH"),
    *("PLUGINS_DIR", "PLUGIN_STATE_DIR", "BOOTSTRAP_KEY_FILE"),
    *("SESSION_ID", "SESSION_DIR", "WEBHOOK_URL", "WEBHOOK_SECRET"),
)

#: Lists of hosts: what the admin adds stands beside what the recipe needs.
HOST_LISTS = ("SSRF_ALLOWED_HOSTS",)

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def is_name(name: str) -> bool:
    """Tell whether a session may call a variable so, whatever it means."""
    return _NAME.fullmatch(name) is not None


@lru_cache(1024)  # every launch asks the same of all that the daemon inherited
def is_any_of(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name is among these; a `*` at an end stands for anything."""
    return any(_matches(name, pattern) for pattern in patterns)


def refused_of_admin(names: Iterable[str]) -> tuple[str, ...]:
    """Return, sorted, which of these names the admin may not set for all engines."""
    return tuple(sorted(name for name in names if is_any_of(name, NEEDED)))


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
