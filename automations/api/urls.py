"""Addresses of definitions."""

from django.urls import path

from automations.api import access, conditions, connections, definitions, releases, scenarios, workflows

urlpatterns = [
    path("workflows", workflows.Workflows.as_view()),
    path("workflows/import", definitions.Import.as_view()),
    path("workflows/<str:id>", workflows.OneWorkflow.as_view()),
    path("workflows/<str:id>/definition", definitions.Definition.as_view()),
    path("workflows/<str:id>/duplicate", workflows.Duplicate.as_view()),
    path("workflows/<str:id>/rename-step", definitions.RenameStep.as_view()),
    path("workflows/<str:id>/check", definitions.Check.as_view()),
    path("workflows/<str:id>/scenarios", scenarios.Scenarios.as_view()),
    path("workflows/<str:id>/gate", releases.Gate.as_view()),
    path("workflows/<str:id>/release", releases.MakeRelease.as_view()),
    path("workflows/<str:id>/rollback", releases.Rollback.as_view()),
    path("workflows/<str:id>/mode", releases.ChangeMode.as_view()),
    path("workflows/<str:id>/releases", releases.Releases.as_view()),
    path("workflows/<str:id>/versions", releases.Versions.as_view()),
    path("workflows/<str:id>/access", access.Access.as_view()),
    path("releases/<int:id>", releases.OneRelease.as_view()),
    path("versions/<int:id>", releases.OneVersion.as_view()),
    path("versions/<int:id>/diff", releases.VersionDiff.as_view()),
    path("definition-schema", definitions.DefinitionSchema.as_view()),
    path("kinds", definitions.Kinds.as_view()),
    path("connections", connections.Connections.as_view()),
    path("connections/<str:slug>", connections.OneConnection.as_view()),
    path("conditions", conditions.Conditions.as_view()),
    path("conditions/<int:id>", conditions.OneCondition.as_view()),
    path("conditions/<int:id>/used-by", conditions.UsedBy.as_view()),
]
