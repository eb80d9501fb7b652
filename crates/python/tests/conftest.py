"""What the tests share: a small company's logs, and the case of a hunt in them."""

import os
import pathlib
import subprocess

import pytest

import crabwalk


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    return crabwalk.demo(tmp_path_factory.mktemp("demo") / "logs")


@pytest.fixture(scope="session")
def case(demo):
    return crabwalk.hunt(demo.logs, assets=demo.assets, identities=demo.identities, progress=False)


@pytest.fixture(scope="session")
def program():
    """Runs `crabwalk` and returns what it prints."""
    binary = os.environ["CRABWALK_BIN"]

    def run(*arguments):
        done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, check=True)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def root():
    return pathlib.Path(__file__).resolve().parents[3]
