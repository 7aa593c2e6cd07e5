"""The search's clients: the provided one, and the one that docs/clients.md shows, run against the real site."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.clients import Account
from tests.e2e.sites import ROOT, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TEXT: Final = (
    "# Backups\n\nBackups are kept for 30 days. They are written every night at two o'clock.\n\n"
    "# Office\n\nThe office opens at eight in the morning, and closes at four on Fridays.\n"
)
QUESTION: Final = "How long are backups kept?"
HARNESS: Final = """
import json, sys
source = open("client.py", encoding="utf-8").read().split("\\nfor name, data in ask(")[0]
exec(source)
for name, data in ask(sys.argv[1], sys.argv[2], sys.argv[3]):
    print(json.dumps([name, data]))
"""


@pytest.fixture
def keeper(site: Site) -> Account:
    """Somebody with a document that can be searched, on a site without a model."""
    account = Account(site)
    with api(account) as client:
        base = client.post("/api/v1/kbs", json={"name": "Handbook"}).json()
        sent = client.post(f"/api/v1/kbs/{base['id']}/documents", json={"name": "handbook.md", "text": TEXT})
        assert sent.status_code == 202, sent.text
        # The stream of progress ends when everything is at rest.
        client.get(f"/api/v1/kbs/{base['id']}/progress", headers={"Accept": "text/event-stream"})
        assert client.get(f"/api/v1/kbs/{base['id']}").json()["ready"] == 1
    return account


def api(account: Account) -> httpx.Client:
    headers = {"Authorization": f"Bearer {account.token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{account.site.port}", headers=headers, timeout=60)


@pytest.mark.req("Q18", "Q3", "Q4", "Q5", "Q6", "Q12")
def test_the_provided_test_client_finds_everything_in_order(keeper: Account) -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "search-client", "--token", keeper.token]

    done = subprocess.run(
        [*command, "--url", f"http://127.0.0.1:{keeper.site.port}", "--query", QUESTION],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(keeper.site.data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "ok      streaming",
        "ok      whole answer, read again as a stream",
        "ok      follow-up in the thread",
        "ok      error handling",
    ]


@pytest.mark.req("Q1", "Q8", "Q17")
def test_the_documented_client_reads_an_answer(keeper: Account, tmp_path: Path) -> None:
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8").split("\n## The search\n", 1)[1]
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found, "needs the documented client"
    (tmp_path / "client.py").write_text(found[1], encoding="utf-8")
    (tmp_path / "harness.py").write_text(HARNESS, encoding="utf-8")
    command = [sys.executable, "harness.py", f"http://127.0.0.1:{keeper.site.port}", keeper.token, QUESTION]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    events: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    answer = "".join(data["text"] for name, data in events if name == "token")
    assert "Backups are kept for 30 days [1]" in answer
    assert [data["document_name"] for name, data in events if name == "citation"][:1] == ["handbook.md"]
    assert events[-1][0] == "done"


@pytest.mark.req("Q3", "Q17", "A6-17")
def test_the_server_keeps_the_connection_and_nothing_is_compressed(keeper: Account) -> None:
    with (
        api(keeper) as client,
        client.stream("POST", "/search", json={"query": QUESTION}, headers={"Accept": "text/event-stream"}) as response,
    ):
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["Connection"] == "keep-alive"
        assert "Content-Encoding" not in response.headers
        assert response.read().endswith(b"\n\n")
