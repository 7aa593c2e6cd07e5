import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from services.settings import BadSetting, Settings

ROOT = Path(__file__).resolve().parents[1]


def test_the_patch_comes_before_everything_else() -> None:
    assert (ROOT / "app.py").read_text().splitlines()[0].startswith("from gevent import monkey; monkey.patch_all()")


@pytest.mark.slow
def test_importing_the_application_patches_without_a_warning() -> None:
    program = "import app, gevent.monkey, sys; sys.exit(not gevent.monkey.is_module_patched('ssl'))"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=50
    )

    assert done.returncode == 0, done.stderr


def test_building_the_site_connects_to_nothing(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    site = create_app(make_settings(REDIS_URL=f"unix://{tmp_path}/nobody", DATA_DIR=str(tmp_path / "new")))

    assert isinstance(site, Flask)
    assert not (tmp_path / "new" / "rill.sqlite3").exists()
    assert site.test_client().get("/healthz").status_code == 200


def test_a_file_beside_the_site_sets_what_the_environment_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("REGISTRATION=closed\nPORT=8100\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "8200")

    settings = create_app().extensions["rill"].settings

    assert (settings.registration, settings.port) == ("closed", 8200)


def test_a_malformed_setting_stops_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGISTRATION", "sometimes")

    with pytest.raises(BadSetting, match="REGISTRATION must be one of open, invite, closed"):
        create_app()
