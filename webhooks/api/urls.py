"""Addresses of the wire."""

from django.urls import path

from webhooks.api import endpoints, receipts

urlpatterns = [
    path("endpoints", endpoints.Endpoints.as_view()),
    path("endpoints/<str:slug>", endpoints.OneEndpoint.as_view()),
    path("endpoints/<str:slug>/rotate", endpoints.Rotate.as_view()),
    path("receipts", receipts.Receipts.as_view()),
    path("receipts/<int:id>/replay", receipts.Replay.as_view()),
]
