"""Settings, read by the daemon and the commands: what there is to set, and where it is given."""

from openwa_manager.config.layers import GUIDE_NAMES, PREFIX, Loaded, load
from openwa_manager.config.settings import Settings, masked, warnings_about
from openwa_manager.config.values import Address, PortRange

__all__ = ["GUIDE_NAMES", "PREFIX", "Address", "Loaded", "PortRange", "Settings", "load", "masked", "warnings_about"]
