"""The one outbound HTTP client, with an address policy that judges the connected address. No Django.

addresses.py    which addresses may be connected to; AllowList (OUTBOUND_ALLOW)
messages.py     Request, Response, NetworkError
checks.py       what a request may contain
connections.py  the guard on resolver and socket
bodies.py       capped, unpacked reading
failures.py     exceptions -> NetworkError
client.py       OutboundClient
"""

from .addresses import AllowList, refusal
from .client import OutboundClient
from .messages import Kind, NetworkError, Request, Response

__all__ = ["AllowList", "Kind", "NetworkError", "OutboundClient", "Request", "Response", "refusal"]
