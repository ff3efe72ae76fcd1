"""Addresses of execution."""

from django.urls import path

from runs.api import approvals, dead_letters, events, runs, testing

urlpatterns = [
    path("workflows/<str:id>/run-test", testing.RunTest.as_view()),
    path("workflows/<str:id>/scenarios/run", testing.RunScenarios.as_view()),
    path("scenarios/<int:id>/run", testing.RunScenario.as_view()),
    path("workflows/<str:id>/runs", runs.StartRun.as_view()),
    path("runs", runs.Runs.as_view()),
    path("runs/<int:id>", runs.OneRun.as_view()),
    path("runs/<int:id>/logs", runs.Logs.as_view()),
    path("runs/<int:id>/cancel", runs.Cancel.as_view()),
    path("runs/<int:id>/replay", runs.Replay.as_view()),
    path("approvals", approvals.Approvals.as_view()),
    path("approvals/decide", approvals.DecideMany.as_view()),
    path("approvals/<int:id>", approvals.OneApproval.as_view()),
    path("approvals/<int:id>/approve", approvals.Approve.as_view()),
    path("approvals/<int:id>/reject", approvals.Reject.as_view()),
    path("approvals/<int:id>/ask", approvals.Ask.as_view()),
    path("approvals/<int:id>/delegate", approvals.Delegate.as_view()),
    path("approvals/<int:id>/withdraw", approvals.Withdraw.as_view()),
    path("events", events.Events.as_view()),
    path("events/<int:id>", events.OneEvent.as_view()),
    path("evaluations", events.Evaluations.as_view()),
    path("dead-letters", dead_letters.DeadLetters.as_view()),
    path("dead-letters/replay", dead_letters.ReplayMany.as_view()),
    path("dead-letters/<int:id>", dead_letters.OneDeadLetter.as_view()),
    path("dead-letters/<int:id>/replay", dead_letters.Replay.as_view()),
    path("dead-letters/<int:id>/discard", dead_letters.Discard.as_view()),
    path("dead-letters/<int:id>/resolve", dead_letters.Resolve.as_view()),
    path("batches/<int:id>", dead_letters.OneBatch.as_view()),
    path("batches/<int:id>/stop", dead_letters.StopBatch.as_view()),
    path("batches/<int:id>/resume", dead_letters.ResumeBatch.as_view()),
]
