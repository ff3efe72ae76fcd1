"""What this code never does: run code from data, compare signatures openly, reach out by another way."""

from __future__ import annotations

import ast
import re

import pytest

from tests.architecture.tree import ROOT, calls, files, imports, python

pytestmark = pytest.mark.one_database

#: Clients by which something could leave this installation, and the one place that may use them.
CLIENTS = {"aiohttp", "requests", "httpx", "urllib3", "urllib.request", "http.client", "websockets", "ftplib", "pycurl"}
GATEWAY = "webhooks/network/"
#: Readers that build objects or run code from what they read.
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "picklefield", "code", "runpy"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}
UNSAFE_YAML = {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all"}
SECRET_NAMES = re.compile(r"signature|digest|\bmac\b|secret|token|\bgiven\b|expected|password")


def test_there_is_one_http_client() -> None:
    wrong = [
        f"{path}: {name}"
        for path, module in python()
        for name in imports(module)
        if not path.startswith(GATEWAY) and any(name == client or name.startswith(f"{client}.") for client in CLIENTS)
    ]
    assert wrong == []


def test_nothing_is_unpickled_evaluated_or_loaded_unsafely() -> None:
    wrong = []
    for path, module in python():
        wrong += [f"{path}: import {name}" for name in imports(module) if name.split(".")[0] in UNSAFE_MODULES]
        for name, call in calls(module):
            shell = any(
                word.arg == "shell" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
                for word in call.keywords
            )
            if name in UNSAFE_CALLS | UNSAFE_YAML or (shell and name.startswith("subprocess")):
                wrong.append(f"{path}:{call.lineno}: {name}")
    assert [one for one in wrong if not one.startswith(_OWN_LOADER)] == []


#: YAML under rules of our own: the loader is a subclass of SafeLoader, which the next test holds.
_OWN_LOADER = "automations/engine/yaml_core.py"


def test_the_own_yaml_loader_makes_plain_data_only() -> None:
    import yaml

    from automations.engine import yaml_core

    loaders = [
        one
        for one in vars(yaml_core).values()
        if isinstance(one, type)
        and issubclass(one, yaml.loader.BaseLoader | yaml.SafeLoader | yaml.FullLoader | yaml.UnsafeLoader)
    ]
    assert not any(issubclass(one, yaml.FullLoader | yaml.UnsafeLoader) for one in loaders)
    for text in ("!!python/object/apply:os.system [true]", "!!python/name:os.system", "!x y"):
        with pytest.raises(Exception, match=r"(?i)tag"):
            yaml_core.loads(text)


def test_signatures_are_compared_in_constant_time_in_one_place() -> None:
    wrong = []
    for path, module in python("webhooks/signatures", "webhooks/receive.py", "webhooks/endpoints.py"):
        wrong += [f"{path}:{node.lineno}: {ast.unparse(node)}" for node in ast.walk(module) if _compares_openly(node)]
    assert wrong == []
    users = {path for path, module in python() for name, _ in calls(module) if name.endswith("compare_digest")}
    assert users == {"webhooks/signatures/compare.py"}


def _compares_openly(node: ast.AST) -> bool:
    """`==`, `!=`, or a search in a list, for something that proves: told by its name."""
    if not isinstance(node, ast.Compare):
        return False
    equal = any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
    searched = any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops)
    sides = [node.left, *(node.comparators if equal else [])] if equal or searched else []
    names = [side.id if isinstance(side, ast.Name) else getattr(side, "attr", "") for side in sides]
    return any(SECRET_NAMES.search(name) for name in names)


def test_secret_columns_are_left_out_of_history() -> None:
    from django.apps import apps

    from automations.fields import EncryptedJSONField

    found = [
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedJSONField)
    ]
    assert found
    for model, name in found:
        assert not model.__name__.startswith("Historical"), f"{model.__name__} keeps {name}"
        assert model._meta.get_field(name).editable is False, f"{model.__name__}.{name} could appear in a form"


def test_no_text_names_the_machine_it_was_written_on() -> None:
    """Paths of one machine work nowhere else."""
    place = re.compile(r"(?<![\w.>])/(?:root|home/[a-z]\w*|Users/\w+|work|workspace|mnt/\w+)/")
    wrong = []
    for path in files():
        if path.suffix in (".png", ".ico", ".woff2", ".pyc"):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if place.search(line) and "place = re.compile" not in line:
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert wrong == []
