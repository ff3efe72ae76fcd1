"""What execution gives to the floors below, registered at start."""


def register() -> None:
    from automations import ports
    from runs import agenda, approvers, lifecycle, reminders, scenarios
    from runs.executor import asked

    ports.evidence.register(scenarios.evidence)
    ports.cancel_runs.register(lifecycle.cancel_runs)
    ports.forget_workflow.register(lifecycle.forget_workflow)
    ports.asks.register(approvers.asks)
    agenda.handlers[asked.KIND] = reminders.look
