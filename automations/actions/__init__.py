"""The action kinds, one file each; this is the table of contents."""

from automations.actions.assign_route import AssignRoute
from automations.actions.decision_table import DecisionTable
from automations.actions.email_send import EmailSend
from automations.actions.http_request import HttpRequest
from automations.actions.log_write import LogWrite
from automations.actions.transform import Transform
from automations.kinds import actions

for kind in (Transform, DecisionTable, LogWrite, HttpRequest, EmailSend, AssignRoute):
    actions.register(kind())
