"""A daemon of another user: whose it is, and the two ways in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.peers.other_user import NOBODY, python_of_others
from tests.fakes.api import Api, serving

PACKAGE = Path(__file__).parents[2] / "openwa_manager"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
@pytest.mark.parametrize("is_named", [True, False], ids=["named", "found"])
def test_it_says_whose_it_is_and_how_to_get_in(tmp_path: Path, *, is_named: bool) -> None:
    python, become = python_of_others(), shutil.which("setpriv")
    if python is None or become is None:
        pytest.skip("no Python that other users can run")
    user_home = tmp_path / "theirs"
    home = user_home / ".openwa-manager"
    shutil.copytree(PACKAGE, tmp_path / "code" / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for each in (tmp_path, *tmp_path.parents):
        if not each.stat().st_mode & 0o001:
            each.chmod(each.stat().st_mode | 0o001)
    with serving(Api(), home / "run" / "manager.sock"):
        home.chmod(0o700)
        environ = {"HOME": str(user_home), "PYTHONPATH": str(tmp_path / "code"), "PATH": os.environ["PATH"]}
        asking = ("-m", "openwa_manager", *(("--home", str(home)) if is_named else ()), "list")
        ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

        argv = (become, *ids, python, *asking)
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 5, done.stderr
    assert f"the daemon at {home} belongs to the user root" in done.stderr
    assert "sudo -u root openwa-manager" in done.stderr
    assert "OPENWA_API_KEY" in done.stderr
    assert "--url" in done.stderr
