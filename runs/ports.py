"""What execution gives to the floors below, registered at start."""


def register() -> None: ...
