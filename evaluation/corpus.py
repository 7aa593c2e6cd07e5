"""The corpus: PostgreSQL 15's documentation as Debian packages it, in a store of its own, made once and kept in `var/`.

Read, cut and embedded by what the site itself uses. The package (PostgreSQL Licence) is downloaded by apt if it is not
installed; nothing of it is part of this project.
"""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import services
from services.knowledge.chunking import Chunk, chunks, embedded
from services.llm.embed import Embedder
from services.reading import documents as reading
from services.settings import Settings
from services.store import bases, claims, documents, users
from services.store import chunks as stored
from services.store.base import utc_now
from services.store.chunks import Embedded, NewChunk
from services.store.database import Database, Session

PACKAGE: Final = "postgresql-doc-15"
LICENCE: Final = "PostgreSQL Licence"
CACHE: Final = Path(__file__).parents[1] / "var" / "evaluation"
# Lists of links and of words, which every question's words are in.
_LEFT_OUT: Final = frozenset({"bookindex.html", "index.html"})
# What decides how the corpus is read, cut and found: when one changes, the store is made again.
_MADE_BY: Final = (
    "reading",
    "knowledge/chunking.py",
    "knowledge/structure.py",
    "llm/static.py",
    "llm/vectors.py",
    "store/words.py",
)
_LEASE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus that is ready to be searched.

    Attributes:
        version: Of the package.
        passages: How many chunks it has.
    """

    database: Database
    user_id: int
    base_id: str
    version: str
    passages: int


def opened(settings: Settings) -> Corpus:
    """The corpus, made now if it is not there yet."""
    folder, version = unpacked()
    path = CACHE / f"{PACKAGE}-{fingerprint()}.sqlite3"
    if not path.exists():
        making = path.with_suffix(f".{os.getpid()}.making")
        database = Database(f"sqlite:///{making}")
        _fill(database, sorted(folder.glob("*.html")), Embedder(settings))
        database.close()
        for older in CACHE.glob("*.sqlite3"):
            older.unlink()
        making.replace(path)
    database = Database(f"sqlite:///{path}")
    user_id, base_id, passages = database.run(_what_is_there)
    return Corpus(database, user_id, base_id, version, passages)


def unpacked() -> tuple[Path, str]:
    """The folder of the documentation, and the package's version."""
    installed = Path("/usr/share/doc") / PACKAGE / "html"
    if installed.is_dir():
        asked = ["dpkg-query", "--show", "--showformat=${Version}", PACKAGE]
        return installed, subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    CACHE.mkdir(parents=True, exist_ok=True)
    if not list(CACHE.glob(f"{PACKAGE}_*.deb")):
        try:
            subprocess.run(["apt-get", "download", PACKAGE], cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as problem:
            sys.exit(f"The corpus is Debian's package {PACKAGE}, which apt could not get here: {problem}")
    package = max(CACHE.glob(f"{PACKAGE}_*.deb"))
    folder = package.with_suffix("")
    if not folder.is_dir():
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder / "usr/share/doc" / PACKAGE / "html", package.stem.split("_")[1]


def fingerprint() -> str:
    """Of all that decides what the store holds."""
    digest = hashlib.sha256(unpacked()[1].encode())
    root = Path(str(services.__file__)).parent
    for name in _MADE_BY:
        path = root / name
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    for file in sorted((root / "store/migrations/versions").glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def cut(content: bytes) -> tuple[list[tuple[int, str]], list[Chunk]]:
    """A page's text, and its chunks, as the ingestion makes them."""
    pages, _ = reading.read("html", content)
    return pages, list(chunks(pages, has_marks=True))


def _fill(database: Database, files: list[Path], embedder: Embedder) -> None:
    database.migrate()
    user = database.run(users.create, "reader@example.org", "-")
    base = database.run(bases.create, user.id, "PostgreSQL 15")
    for file in files:
        if file.name not in _LEFT_OUT:
            content = file.read_bytes()
            pages, cuts = cut(content)
            database.run(
                _add, user.id, base.id, file.name, content, pages, list(_embedded(cuts, embedder)), embedder.model
            )


def _embedded(cuts: list[Chunk], embedder: Embedder) -> Iterator[NewChunk]:
    for one, vector in zip(cuts, embedder.documents([embedded(one.heading, one.text) for one in cuts]), strict=True):
        kept = Embedded(vector.bits, vector.int8)
        yield NewChunk(one.position, one.heading, one.page, one.start, one.end, one.text, kept)


def _add(
    s: Session,
    user_id: int,
    base_id: str,
    name: str,
    content: bytes,
    pages: list[tuple[int, str]],
    rows: list[NewChunk],
    model: str,
) -> None:
    documents.add(
        s,
        user_id,
        base_id,
        name=name,
        kind="html",
        mime="text/html",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=io.BytesIO(content),
        max_total_bytes=1 << 40,
    )
    claim = claims.claim(s, utc_now(), "evaluation", _LEASE_S)
    assert claim
    claims.put_pages(s, claim, [documents.Page(number, text) for number, text in pages])
    claims.progress(s, claim, total=len(rows))
    stored.put(s, claim, rows, model=model)
    claims.finish(s, claim)


def _what_is_there(s: Session) -> tuple[int, str, int]:
    user = users.by_email(s, "reader@example.org")
    assert user
    base = bases.listing(s, user.id)[0]
    return user.id, base.id, sum(stored.count(s, one.id) for one in documents.listing(s, user.id, base.id, limit=5_000))
