"""What several connections of a process hold against other processes."""

import subprocess
import sys
from pathlib import Path

from services.store.sqlite import open_file

_WRITE = "import sqlite3; c = sqlite3.connect({path!r}); c.execute('INSERT INTO t VALUES (2)'); c.commit(); c.close()"


def test_a_second_connection_takes_no_lock_from_the_first(tmp_path: Path) -> None:
    path = tmp_path / "rill.sqlite3"
    first = open_file(str(path), 1.0)
    first.execute("CREATE TABLE t (x)").close()
    second = open_file(str(path), 1.0)

    # Whoever thinks that nobody else is there removes the log when it closes.
    subprocess.run([sys.executable, "-c", _WRITE.format(path=str(path))], check=True)

    assert Path(f"{path}-wal").exists()
    first.execute("INSERT INTO t VALUES (1)").close()
    assert second.execute("SELECT x FROM t ORDER BY x").fetchall() == [(1,), (2,)]
    assert sorted(left.name for left in tmp_path.iterdir()) == ["rill.sqlite3", "rill.sqlite3-shm", "rill.sqlite3-wal"]
    first.close()
    second.close()
