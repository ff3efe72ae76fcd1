"""The secret of the tests' endpoints (GitHub's documentation uses it, too)."""

SECRET = "It's a Secret to Everybody"
