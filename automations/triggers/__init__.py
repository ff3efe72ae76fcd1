"""The trigger kinds that need nothing of the floors above, one file each; this is the table of contents."""

from automations.kinds import triggers
from automations.triggers.event import EventTrigger
from automations.triggers.manual import ManualTrigger

for kind in (ManualTrigger, EventTrigger):
    triggers.register(kind())
