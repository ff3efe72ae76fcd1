"""States, each declared once: value, label, meaning, colour on screens, and the groups code asks for (CONTRACT 1)."""

from django.db import models


class RunStatus(models.TextChoices):
    """Of a run."""

    QUEUED = "queued", "Queued"  # accepted and stored; no worker has taken it yet
    RUNNING = "running", "Running"  # a worker carries it
    WAITING = "waiting", "Waiting"  # for a time, a person, an event or a limit
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"  # a dead letter says why; its replay reopens the run
    CANCELLED = "cancelled", "Cancelled"
    TIMED_OUT = "timed_out", "Timed out"


class StepStatus(models.TextChoices):
    """Of a step: one action within one run."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    RETRYING = "retrying", "Retrying"  # an attempt failed, the next has its time
    WAITING = "waiting", "Waiting"
    AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
    SUCCEEDED = "succeeded", "Succeeded"
    SIMULATED = "simulated", "Simulated"  # would have been performed; nothing outside was touched
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    UNKNOWN = "unknown", "Unknown"  # may or may not have happened: a person decides


class ApprovalState(models.TextChoices):
    """Of a request that people decide about a step."""

    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"  # as many as the quorum asks for said yes
    REJECTED = "rejected", "Rejected"  # one said no: the step is skipped
    EXPIRED = "expired", "Expired"  # nobody decided in time: the step is skipped
    WITHDRAWN = "withdrawn", "Withdrawn"  # whoever asked does not want it any more: the step is skipped
    VOID = "void", "Void"  # what it was about has changed, or its run has ended


class DeadLetterState(models.TextChoices):
    """Of a dead letter: a step that gave up."""

    OPEN = "open", "Open"
    REPLAYING = "replaying", "Replaying"  # its run is reopened and has not got past the step yet
    RESOLVED = "resolved", "Resolved"
    DISCARDED = "discarded", "Discarded"


class BatchState(models.TextChoices):
    """Of a batch of replays."""

    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"  # by a person, or after as many failures as were allowed
    FINISHED = "finished", "Finished"


class EvaluationResult(models.TextChoices):
    """Of the question: did this trigger fire for this event?"""

    FIRED = "fired", "Fired"
    NOT_MATCHED = "not_matched", "Not matched"  # its filter said no
    UNKNOWN = "unknown", "Unknown"  # its filter could not be answered
    REFUSED = "refused", "Refused"  # the payload breaks the trigger's contract
    DUPLICATE = "duplicate", "Duplicate"  # its dedupe key was seen before


FINISHED_RUN = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT)
FINISHED_STEP = (
    StepStatus.SUCCEEDED,
    StepStatus.SIMULATED,
    StepStatus.SKIPPED,
    StepStatus.FAILED,
    StepStatus.CANCELLED,
)

#: Colour of a state on every screen (an Unfold label colour); the word is always shown beside it.
COLOUR = {
    "queued": "info",
    "running": "info",
    "waiting": "warning",
    "retrying": "warning",
    "awaiting_approval": "warning",
    "succeeded": "success",
    "approved": "success",
    "simulated": "success",
    "fired": "success",
    "accepted": "success",
    "resolved": "success",
    "finished": "success",
    "failed": "danger",
    "rejected": "danger",
    "timed_out": "danger",
    "open": "danger",
    "unknown": "danger",
    "refused": "danger",
    "bad_signature": "danger",
    "stale": "danger",
    "unsigned": "danger",
    "too_large": "danger",
    "malformed": "danger",
    "replaying": "warning",
    "duplicate": "warning",
    "stopped": "warning",
}
