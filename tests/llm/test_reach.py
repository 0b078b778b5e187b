"""Whatever code newly reaches for is named, however it is written."""

import pytest

from honed.llm.reach import new_reach

BEFORE = "import os\nfrom shop import prices\n\n\ndef f(x):\n    return os.path.join(x, 'a')\n"


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("os.system('x')", ".system, os.system"),
        ("o = os", "os as a value"),
        ("getattr(os, 'sys' + 'tem')('x')", "getattr, os as a value"),
        ("import subprocess as s; s.run(['x'])", "subprocess, subprocess.run"),
        (
            "from shutil import rmtree as r; r('x')",
            ".rmtree, shutil.rmtree, shutil.rmtree as a value",
        ),
        ("import importlib.util", "importlib"),
        ("import os.path as p; p.join('a')", ""),
        ("os.environ['HOME']", "os.environ"),
        ("open('x', 'w')", "open"),
        ("e = eval", "eval"),
        ("__import__('os').system('x')", ".system, __import__"),
        ("().__class__.__base__.__subclasses__()", ".__subclasses__"),
        ("f.__globals__['os']", ".__globals__"),
        ("import requests", "requests"),
        ("x.write_text('y')", ".write_text"),
        ("import math, re; from collections import Counter", ""),
        ("from shop.other import more; from . import near", ""),
        ("os.path.dirname(x); x.removed; prices.total([])", ""),
        ("import contextlib; contextlib.os.remove('x')", "contextlib.os"),
        ("import random; random._os.remove('x')", "random._os"),
        ("import json; json.codecs.open('x')", "json.codecs"),
        ("import json; j = json; j.codecs.open('x')", "json as a value"),
        ("from contextlib import os as o; o.remove('x')", "contextlib.os"),
        ("import warnings; warnings.sys.modules['x']", "warnings.sys"),
        ("import operator; operator.attrgetter('x')(f)", ".attrgetter"),
        ("from operator import attrgetter", ".attrgetter"),
        ("import types; types.FunctionType(c, {})", ".FunctionType"),
        ("getattr(f, '__glo' + 'bals__')", "getattr"),
        ("getattr(f, '__globals__')", ".__globals__"),
        ("g = getattr", "getattr"),
        ("getattr(x, 'name', None); x.queue.code", ""),
        ("match f:\n    case object(__globals__=g):\n        pass", ".__globals__"),
        ("import json, time, datetime; json.loads(x); time.time(); datetime.datetime.now()", ""),
        ("import collections.abc; collections.abc.Mapping", ""),
    ],
)
def test_what_is_newly_reached_is_named(line: str, reached: str) -> None:
    assert ", ".join(new_reach(BEFORE, f"{BEFORE}\n{line}\n", {"shop"})) == reached


def test_what_was_there_before_is_not_new() -> None:
    was = "import os\n\n\ndef f():\n    os.remove('x')\n    return open('y')\n"
    assert new_reach(was, was.replace("'y'", "'z'")) == ()
    assert new_reach("no python (", "x = 1") == ()
