import pytest

from services import settings
from services.media.fetching import is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07::1", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:93.184.215.14", True),
        ("::127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::", False),
        ("2002:a9fe:a9fe::1", False),
        ("2001:db8::1", False),
        ("no address", False),
        ("", False),
    ],
)
def test_only_the_public_network_is_reached(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "value", ["example", "http://example.org", "*", "*.org/x", "a b.org", "example.org:x", "[::1]"]
)
def test_a_setting_that_names_no_hosts_stops_the_start(value: str) -> None:
    with pytest.raises(settings.BadSetting, match="MEDIA_URL_HOSTS must be hosts such as"):
        settings.load({"SECRET_KEY": "x" * 16, "MEDIA_URL_HOSTS": value})


def test_the_setting_names_hosts() -> None:
    found = settings.load({"SECRET_KEY": "x" * 16, "MEDIA_URL_HOSTS": " Files.Example.org, *.example.net:8443 ,"})

    assert found.media_url_hosts == ("files.example.org", "*.example.net:8443")
