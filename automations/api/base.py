"""What every API view shares: finding what may be seen, ETags, strict bodies, filters, a schema that names errors."""

from __future__ import annotations

from datetime import UTC
from typing import Any, TypeVar

import django_filters
from django.core.validators import MaxValueValidator
from django.db.models import Model, Q, QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from automations.models import Workflow
from automations.permissions import visible_to
from automations.refusals import Stale

M = TypeVar("M", bound=Model)
MAX_ID = 2**63 - 1


class ErrorSerializer(serializers.Serializer):
    path = serializers.CharField(
        allow_blank=True, help_text="Where, as in `actions[1].when`; empty: the whole request."
    )
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]


CONFLICT = OpenApiResponse(ProblemSerializer, "Its state does not allow this.")
STALE = OpenApiResponse(ProblemSerializer, "`If-Match` is stale: somebody else has changed it.")
IF_MATCH = OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="The ETag the change was made on.")


class Described(AutoSchema):
    """Every operation lists the errors it may answer with."""

    ERRORS = {"400": "What was sent is not right.", "401": "Who are you?", "403": "You may not.", "404": "Not there."}
    WITH_BODY = {"413": "Too large.", "415": "Another content type."}

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix("/api/v1/").split("/")[0]]

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        bodies = super()._get_response_bodies(direction)
        errors = self.ERRORS | (self.WITH_BODY if self._get_request_body() else {})
        for status, description in errors.items():
            if status not in bodies and not (status == "404" and "{" not in self.path):
                response = OpenApiResponse(ProblemSerializer, description)
                bodies[status] = self._get_response_for_code(response, status, direction=direction)
        return bodies

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Any = "response"
    ) -> Any:
        types = ["application/problem+json"] if status_code >= "400" else media_types
        return super()._get_response_for_code(serializer, status_code, types, direction)


class Api(APIView):
    """One address of the API."""

    schema = Described()
    metadata_class = None  # the schema describes it; OPTIONS would guess

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with timezone.override(UTC):  # times are UTC whatever TIME_ZONE says
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\x00" in str(value) for value in kwargs.values()):
            raise Http404  # no name holds a NUL, and PostgreSQL would fail on it

    def workflow(self, id: str) -> Workflow:
        """The workflow of this number or slug, 404 unless the user may view it."""
        return find_workflow(self.request.user, id)


class ListApi(Api, generics.ListAPIView):
    """A list, newest first; `get_queryset` must not load what is large."""

    filter_backends = [django_filters.rest_framework.DjangoFilterBackend]

    @property
    def described_only(self) -> bool:
        """True while the schema is made: there is no user and no path then."""
        return getattr(self, "swagger_fake_view", False)


class Body(serializers.Serializer):
    """A request's body; what it does not know is refused."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [str(name)[:100] for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError(dict.fromkeys(unknown, "This is not known here."))
        return super().to_internal_value(data)

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """The checked body. Raises ValidationError."""
        body = cls(data=request.data)
        body.is_valid(raise_exception=True)
        return body.validated_data


def find_workflow(user: Any, id: str) -> Workflow:
    people = ("owner", "deputy", "team", "run_as", "created_by")
    return find(visible_to(user).select_related(*people), by_id_or_slug(id))


def by_id_or_slug(id: str, prefix: str = "") -> Q:
    """The condition for a workflow's number or slug."""
    if id.isascii() and id.isdigit():
        return Q(**{f"{prefix}id": min(int(id[:20]), MAX_ID)})
    return Q(**{f"{prefix}slug": id})


def find(queryset: QuerySet[M], condition: Q) -> M:
    """The one object, or 404."""
    found = queryset.filter(condition).first()
    if found is None:
        raise Http404
    return found


class IdFilter(django_filters.NumberFilter):
    """A number that a database can hold."""

    def get_max_validator(self) -> MaxValueValidator:
        return MaxValueValidator(MAX_ID)


class WorkflowFilter(django_filters.FilterSet):
    """`workflow` takes a number or a slug."""

    workflow = django_filters.CharFilter(method="of_workflow", help_text="Number or slug.")
    workflow_path = ""

    def of_workflow(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        return queryset.filter(by_id_or_slug(value, "workflow__"))


# ETags -------------------------------------------------------------------------------------------------------------


def etag(workflow: Workflow) -> dict[str, str]:
    """The headers that carry the revision."""
    return {"ETag": f'"{workflow.revision}"'}


def expected_revision(request: Request) -> int | None:
    """The revision a write was made on, from If-Match; None where the client does not say. Raises Stale."""
    given = request.headers.get("If-Match", "").strip()
    if not given or given == "*":
        return None
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in given.split(",")]
    revisions = [int(tag) for tag in tags if tag.isascii() and tag.isdigit() and len(tag) < 12]
    if len(revisions) != 1:
        raise Stale()
    return revisions[0]
