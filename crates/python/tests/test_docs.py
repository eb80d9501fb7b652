"""What the documentation shows works, and the types are right."""

import inspect
import os
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

import crabwalk
from crabwalk import _native


@pytest.mark.parametrize(("page", "least"), [("docs/python.md", 6), ("docs/how-to/notebook.md", 3)])
def test_the_documentation_runs(root, tmp_path, monkeypatch, capsys, page, least):
    blocks = re.findall(r"^```python\n(.*?)^```", (root / page).read_text(), re.M | re.S)
    assert len(blocks) >= least
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert "PIER-WS01 → PIER-WS02 → TIDE-SQL01" in capsys.readouterr().out
    assert page != "docs/python.md" or names["steps"]


def test_the_notebook_runs(root, tmp_path):
    notebook = nbformat.read(root / "docs/hunt.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before you commit it"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("PIER-WS01 → PIER-WS02" in str(output) for output in outputs)
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def test_all_that_is_public_is_described():
    for name in crabwalk.__all__:
        thing = getattr(crabwalk, name)
        assert name in ("__version__", "Progress") or thing.__module__ == "crabwalk", name
        assert name == "__version__" or inspect.getdoc(thing), name
    for kind in (crabwalk.Case, crabwalk.Table):
        for name in vars(kind):
            assert name.startswith("_") or inspect.getdoc(getattr(kind, name)), f"{kind.__name__}.{name}"
    arguments = inspect.signature(crabwalk.hunt).parameters
    described = re.findall(r"^(\w+(?:, \w+)*)$", inspect.getdoc(crabwalk.hunt), re.M)
    assert {name for line in described for name in line.split(", ")} == set(arguments)


def test_types(tmp_path):
    package = pathlib.Path(crabwalk.__file__).parent
    assert (package / "py.typed").is_file()
    run = dict(
        env={**os.environ, "MYPYPATH": str(package.parent)}, cwd=tmp_path, capture_output=True, text=True
    )
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n[mypy-pandas.*,pyarrow.*]\nignore_missing_imports = true\n")
    mypy = subprocess.run([sys.executable, "-m", "mypy", str(package)], **run)
    assert mypy.returncode == 0, mypy.stdout
    stubs = [sys.executable, "-m", "mypy.stubtest", "crabwalk._native", "--mypy-config-file", "mypy.ini"]
    stubs = subprocess.run(stubs, **run)
    assert stubs.returncode == 0, stubs.stdout
    assert _native.__version__ == crabwalk.__version__
