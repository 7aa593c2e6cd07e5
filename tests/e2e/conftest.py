"""The real site, and browsers that look at it. Run by `make e2e`, without tests/conftest.py: nothing is patched."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from gevent import monkey
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e import nursery as nurseries
from tests.e2e import searching, talking, visiting
from tests.e2e.browsing import FaultProxy, HostPages, Watch, sign_in
from tests.e2e.chats import PROBLEM
from tests.e2e.clients import Account
from tests.e2e.sites import Model, Site, running
from tests.e2e.studying import STUDY

# What a failed test leaves for whoever reads it: screenshots and the sites' logs.
KEPT: Final = Path(__file__).resolve().parents[2] / "var" / "e2e"
FLAGS: Final = (
    "--no-sandbox",  # continuous integration runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final = {"viewport": {"width": 1280, "height": 900}}
PHONE: Final = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
PASSWORD: Final = "correct horse battery staple"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is an e2e test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """Let fixtures know, when they end, whether their test failed."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


FAILED: Final = pytest.StashKey[bool]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what failed and passed when it was run once more (`--reruns 1`): worth a look, and no failure."""
    again = {report.nodeid for report in terminalreporter.getreports("rerun")}
    failed = {report.nodeid for word in ("failed", "error") for report in terminalreporter.getreports(word)}
    for name in sorted(again - failed):
        terminalreporter.write_line(f"FLAKY {name}: failed, and passed when it was run again", yellow=True)


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Callable[[str], Path | None]:
    """Where a failed test may leave a file of this name; None if the test passed."""

    def place(name: str) -> Path | None:
        if not request.node.stash.get(FAILED, False):
            return None
        folder = KEPT / re.sub(r"[^\w.-]+", "-", request.node.name)[:120]
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    return place


@pytest.fixture
def make_site(tmp_path: Path, keep: Callable[[str], Path | None]) -> Iterator[Callable[..., Site]]:
    """Sites of the test's own: gunicorn, two workers, an embedded Valkey. Keyword arguments are settings."""
    made: list[Site] = []

    def make(*, port: int | None = None, directory: Path | None = None, **settings: str) -> Site:
        site = Site(directory or tmp_path / f"site{len(made)}", port=port, **settings)
        made.append(site)
        return site.start()

    yield make
    for number, site in enumerate(made):
        site.destroy()
        log = keep(f"site{number}.log")
        if log is not None:
            shutil.copy(site.log_path, log)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """The site as a newcomer gets it, with no model configured."""
    return make_site()


@pytest.fixture(scope="session")
def shared_model() -> Iterator[Model]:
    """The scripted model of `shared_site`; tests take `model`."""
    with Model() as server:
        yield server


@pytest.fixture
def model(shared_model: Model) -> Iterator[Model]:
    """The scripted model of `shared_site`, as if it had just been started."""
    shared_model.reset()
    yield shared_model
    shared_model.reset()


@pytest.fixture(scope="session")
def hosts() -> Iterator[HostPages]:
    """Pages of another origin, which `shared_site` lets read."""
    with HostPages() as pages:
        yield pages


@pytest.fixture(scope="session")
def shared_site(shared_model: Model, hosts: HostPages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site for all tests that leave it as it was; each has accounts of its own."""
    settings = {
        "OPENAI_BASE_URL": shared_model.base_url,
        "OPENAI_MODEL": "scripted",
        "CORS_ORIGINS": f"{hosts.origin},{hosts.foreign_origin}",
        "STREAM_IDLE": "1",
    }
    with running(tmp_path_factory.mktemp("shared"), **settings) as started:
        yield started
        assert started.complaints() == []


@pytest.fixture
def proxy(shared_site: Site) -> Iterator[FaultProxy]:
    """A network before `shared_site` that fails on demand."""
    with FaultProxy(shared_site.port) as network:
        yield network


@pytest.fixture
def ada(shared_site: Site) -> Account:
    """Somebody new on `shared_site`."""
    return Account(shared_site)


@pytest.fixture
def chat(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> Iterator[Page]:
    """Ada's page of a problem. Whatever the test does there: nothing may be complained about or reached for."""
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)
    page.goto(PROBLEM)
    yield page
    assert watch.complaints == []
    assert watch.foreign == []


@pytest.fixture(scope="session")
def storied(shared_model: Model, shared_site: Site) -> visiting.Storied:
    """Somebody whose pages have all kinds of things on them."""
    return visiting.storied(shared_site, shared_model)


@pytest.fixture
def study(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> Iterator[Page]:
    """Ada's page of a new study conversation; nothing may be complained about or reached for."""
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)
    page.goto(STUDY)
    page.wait_for_load_state()
    yield page
    assert watch.complaints == []
    assert watch.foreign == []


@pytest.fixture(scope="session")
def tenant(shared_site: Site, browser: Browser) -> Account:
    """Somebody who has put three files in to be searched, through the pages."""
    account = Account(shared_site)
    context = browser.new_context(base_url=f"http://127.0.0.1:{shared_site.port}")
    page = sign_in(context.new_page(), account)
    watch = Watch(page)
    searching.new_base(page)
    searching.put_in(page, *searching.FILES)
    assert watch.complaints == []
    context.close()
    return account


@pytest.fixture
def search(make_page: Callable[..., Page], shared_site: Site, tenant: Account) -> Iterator[Page]:
    """The tenant's page of a new search; nothing may be complained about or reached for."""
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, tenant)
    page.goto(searching.SEARCH)
    page.wait_for_load_state()
    yield page
    assert watch.complaints == []
    assert watch.foreign == []


@pytest.fixture
def todo_page(make_page: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    """Somebody new on a site, at their list; nothing may be complained about or reached for."""
    watches: list[Watch] = []

    def open_(site: Site, account: Account | None = None, **options: Any) -> Page:
        page = make_page(site, **options)
        watches.append(Watch(page))
        sign_in(page, account or Account(site))
        page.goto(talking.TODOS)
        page.wait_for_load_state()
        return page

    yield open_
    for watch in watches:
        assert watch.complaints == []
        assert watch.foreign == []
        assert watch.dialogs == []


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a model, whose storyteller does not dawdle."""
    with running(tmp_path_factory.mktemp("nursery"), BUILTIN_PACE_MS="3", STORIES_RATE_LIMIT="1000/minute") as site:
        yield site
        assert site.complaints() == []


@pytest.fixture
def screen(make_page: Callable[..., Page], nursery: Site) -> Iterator[Callable[..., Page]]:
    """Browsers that are handed over to Mia; nothing may be complained about or reached for."""
    watches: list[Watch] = []

    def open_(
        *, script: str = nurseries.voices(are_there=False), child: dict[str, Any] | None = None, **options: Any
    ) -> Page:
        chosen = {name: options.pop(name) for name in ("ideas", "bedtime") if name in options}
        page = make_page(nursery, **options)
        page.context.add_init_script(script)
        watches.append(Watch(page))
        nurseries.open_nursery(page, nursery, child=child, **chosen)
        return page

    yield open_
    for watch in watches:
        assert watch.complaints == []
        assert watch.foreign == []
        assert watch.dialogs == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the session."""
    assert not monkey.is_module_patched("socket"), "run by `make e2e`: Playwright does not live with gevent's patch"
    path = shutil.which("chromium")
    assert path, "Chromium is missing: make e2e says how to get it"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def make_page(browser: Browser, keep: Callable[[str], Path | None]) -> Iterator[Callable[..., Page]]:
    """Pages in browser contexts of their own; keyword arguments go to `Browser.new_context`."""
    contexts: list[BrowserContext] = []

    def make(site: Site, **options: Any) -> Page:
        own = {"base_url": f"http://127.0.0.1:{site.port}", **DESKTOP}
        context = browser.new_context(**{**own, **options})
        context.set_default_timeout(15_000)
        contexts.append(context)
        return context.new_page()

    yield make
    for number, context in enumerate(contexts):
        for at, page in enumerate(context.pages):
            picture = keep(f"page{number}-{at}.png")
            if picture is not None and not page.is_closed():
                page.screenshot(path=picture, full_page=True)
                picture.with_suffix(".html").write_text(page.content())
        context.close()


@pytest.fixture
def page(make_page: Callable[..., Page], site: Site) -> Page:
    """A page on a desktop, with nobody signed in."""
    return make_page(site)


@pytest.fixture
def phone(make_page: Callable[..., Page], site: Site) -> Page:
    """A page on a phone, with nobody signed in."""
    return make_page(site, **PHONE)


@pytest.fixture
def signed_in(page: Page) -> Page:
    """The desktop page, after registering ada@example.org through the form."""
    return register(page)


def register(page: Page, email: str = "ada@example.org") -> Page:
    """Make an account as a person does."""
    page.goto("/register")
    page.get_by_label(re.compile("e-?mail", re.IGNORECASE)).fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator(
        "form:has(input[name=password]) button[type=submit], form:has(input[name=password]) button"
    ).first.click()
    page.wait_for_url(lambda url: "/register" not in url)
    return page
