"""Which addresses a request may go to: every range that leads somewhere else than it seems."""

import ipaddress

import pytest

from hub import AddressRefused, Invalid
from hub.kernel.http import Guard, Http, is_public

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "2001:10::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "192.167.255.255",
    "100.128.0.1",
    "2606:4700::1111",
    "2a00::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_one_public_host_is_refused(address):
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(AddressRefused):
        Guard([], public=True).check(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_host_is_reached(address):
    assert is_public(ipaddress.ip_address(address))


def test_an_address_with_a_zone_is_refused():
    with pytest.raises(AddressRefused):
        Guard([ipaddress.ip_network("fe80::/10")], public=True).check("fe80::1%eth0")


def test_an_allowed_network_opens_no_other():
    guard = Guard([ipaddress.ip_network("10.1.0.0/16")], public=False)
    guard.check("10.1.2.3")
    guard.check("::ffff:10.1.2.3")
    for address in ("10.2.0.1", "8.8.8.8", "127.0.0.1"):
        with pytest.raises(AddressRefused):
            guard.check(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost.localhost/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://user@example.com/",
        "https://:word@example.com/",
        "https:///path",
        "https://example.com:99999/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "",
        "https://[::ffff:127.0.0.1]/",
        "https://[::1%25lo]/",
    ],
)
def test_a_url_that_leads_astray_is_refused_when_it_is_saved(url):
    with pytest.raises(Invalid):
        Http().check(url)
