"""The API against its own schema: schemathesis sends what fits and what does not."""

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis (extra dev)")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

# A schema cannot say that bytes are a film; such requests are refused for what they hold.
UNKNOWABLE = [positive_data_acceptance]

OPERATIONS = {
    "POST /api/jobs",
    "POST /api/fits",
    "GET /api/jobs/{id}",
    "POST /api/jobs/{id}/cancel",
    "DELETE /api/jobs/{id}",
    "GET /api/jobs/{id}/result",
    "GET /api/jobs/{id}/masks",
    "GET /api/health",
    "GET /api/models",
}


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
@pytest.mark.parametrize("token", [None, "a token of enough letters"])
def test_answers_are_what_the_schema_says(make_server, mode, token):
    server = make_server(waiting=2, upload_mb=1, token=token)
    schema = schemathesis.openapi.from_dict(server.api.openapi())
    schema.app = server.app
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(schemathesis.GenerationMode[mode]))
        def check(case):
            case.call_and_validate(headers={"Host": "testserver"}, excluded_checks=UNKNOWABLE)

        try:
            check()
        except Exception as error:
            if "Unsatisfiable" not in type(error).__name__:
                raise
        seen.add(operation.label)
    assert seen == OPERATIONS
