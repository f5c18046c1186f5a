"""The generated code and page are current, complete, and right for a type checker."""

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from headwater.client import IvsClient, errors
from headwater.client.pages import Pages

ROOT = Path(__file__).parents[2]
MODEL = botocore.session.Session().get_service_model("ivs")
GENERATED = runpy.run_path(str(ROOT / "scripts" / "client_code.py"))["generated"]()
PAGE = ROOT / "docs" / "reference" / "python-client.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_current(path):
    assert path.read_text() == GENERATED[path], "run `make docs`"


def test_there_is_one_method_for_each_operation_with_its_members():
    methods = {name for name in vars(IvsClient.__base__) if not name.startswith("_")}

    assert methods == {xform_name(name) for name in MODEL.operation_names}
    for name in MODEL.operation_names:
        signature = inspect.signature(getattr(IvsClient, xform_name(name)))
        shape = MODEL.operation_model(name).input_shape
        assert {*signature.parameters} == {"self", *map(xform_name, shape.members)}
        required = {
            each.name for each in signature.parameters.values() if each.default is each.empty
        }
        assert required == {"self", *map(xform_name, shape.required_members)}


def test_every_list_can_be_paginated():
    lists = {
        xform_name(name)
        for name in MODEL.operation_names
        if "nextToken" in MODEL.operation_model(name).input_shape.members
    }

    assert {name for name in vars(Pages) if name.startswith("list_")} == lists
    assert len(lists) == 9


def test_there_is_one_class_for_each_modeled_error():
    assert set(errors.BY_CODE) == {shape.name for shape in MODEL.error_shapes}


def test_every_operation_has_an_example():
    sections = re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE)

    assert sorted(sections) == sorted(map(xform_name, MODEL.operation_names))
    assert len(EXAMPLES) == 1 + len(sections)


def mypy(tmp_path, code):
    program = tmp_path / "program.py"
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, str(program)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "src"), "MYPY_CACHE_DIR": str(CACHE)},
    )
    return done.stdout


CACHE = ROOT / ".mypy_cache" / "client"


def test_the_examples_pass_a_strict_type_check(tmp_path):
    assert mypy(tmp_path, "".join(EXAMPLES)).startswith("Success")


MISUSES = [
    ("an unknown argument", 'svc.create_channel(nam="x")'),
    ("a missing argument", "svc.get_channel()"),
    ("a wrong type", "svc.get_channel(arn=5)"),
    ("a wrong enumeration", 'svc.create_channel(latency_mode="FAST")'),
    ("an unknown member of a structure", 'svc.list_streams(filter_by={"healthy": "HEALTHY"})'),
    ("an unknown member of an answer", 'svc.get_channel(arn="")["chanel"]'),
    ("an answer where there is none", 'svc.stop_stream(channel_arn="")["x"]'),
    ("an unknown configuration", 'ivs(config={"regon": "x"})'),
    ("a page's item of another kind", 'next(svc.paginate.list_channels())["playbackUrl"]'),
]


def test_a_type_checker_finds_each_misuse(tmp_path):
    lines = [EXAMPLES[0], *(f"{code}  # {name}\n" for name, code in MISUSES)]
    found = mypy(tmp_path, "".join(lines))

    first = EXAMPLES[0].count("\n") + 1
    assert {int(line) for line in re.findall(r"program\.py:(\d+): error", found)} == {
        first + n for n in range(len(MISUSES))
    }, found
