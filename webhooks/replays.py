"""Taking a stored delivery in once more: as a new event, for whatever listens now."""

from __future__ import annotations

from typing import Any

from automations.permissions import require_manage
from automations.refusals import Conflict
from runs.dispatch import Dispatched, publish
from webhooks.models import Endpoint, Receipt, Verdict
from webhooks.receive import Delivery, event_type, parse, plain_headers

#: Only what its sender had signed; another verdict was not a matter of what listened then.
GENUINE = (Verdict.ACCEPTED, Verdict.DUPLICATE)


def replay(receipt: Receipt, *, by: Any) -> Dispatched:
    """Publish the delivery's payload again; the triggers' own dedupe keys still count.

    Needs the right to change the endpoint. Raises PermissionDenied, Conflict (its signature was not right, or its
    endpoint is gone or disabled).
    """
    require_manage(by, "change", receipt.endpoint or Endpoint)
    if receipt.endpoint is None or not receipt.endpoint.enabled:
        raise Conflict("Its endpoint is gone or disabled.")
    if receipt.verdict not in GENUINE:
        raise Conflict(f"Its verdict was {receipt.get_verdict_display().lower()}: it is not taken in again.")
    delivery = Delivery(receipt.slug, receipt.headers, bytes(receipt.body))
    return publish(
        route=f"hooks/{receipt.slug}",
        payload=parse(delivery),
        type=event_type(receipt.headers),
        source=f"hooks/{receipt.slug}",
        headers=plain_headers(receipt.headers),
        started_by=getattr(by, "pk", None),
    )
