"""What decides whether a request is let in, gathered for those who build the application."""

from collections.abc import Mapping
from dataclasses import field

from openwa_manager.api.admission.authenticator import Authenticator
from openwa_manager.api.admission.host_check import HostCheck
from openwa_manager.api.admission.limits import HOLD_S
from openwa_manager.api.admission.open_calls import OpenCalls
from openwa_manager.api.admission.peers.client_address import ClientAddresses
from openwa_manager.api.browsers.cors import Cors
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.values import dataclass
from openwa_manager.services.access.rate_limits import RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is asked about each request before a route sees it, in this order.

    `hold_s` is how long whoever tries too many keys waits for each answer, `withheld` what nobody may do here, and why.
    """

    addresses: ClientAddresses
    host_check: HostCheck
    authenticator: Authenticator
    open_calls: OpenCalls
    limits: RateLimits
    hold_s: float = HOLD_S
    cors: Cors = field(default_factory=Cors)
    withheld: Mapping[Action, str] = field(default_factory=dict)
