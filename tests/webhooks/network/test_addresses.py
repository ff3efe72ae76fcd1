"""The address policy, address by address."""

import pytest

from webhooks.network import AllowList, refusal

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "fc00::1",
    "fd12:3456::1",
    "100.64.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
]
GUARDED = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fe80::a9fe:a9fe",
    "fd00:ec2::254",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "239.255.255.255",
    "ff02::1",
    "ff0e::1",
    "240.0.0.1",
    "255.255.255.255",
    "fec0::1",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "2001:db8::1",
    "192.88.99.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:a9fe:a9fe::",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:224.0.0.1",
    "100::1",
    "4000::1",
]
PUBLIC = ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"]
NOT_ADDRESSES = ["", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.4/32", "x" * 5000]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_free(address):
    assert refusal(address) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_need_the_connection_or_the_setting(address):
    sentence = refusal(address)
    assert address in sentence or address.removeprefix("::ffff:") in sentence
    assert "allow_private" in sentence and "OUTBOUND_ALLOW=" in sentence
    assert refusal(address, allow_private=True) is None
    assert refusal(address, host="crm.internal", allow=AllowList.parse("crm.internal")) is None


@pytest.mark.parametrize("address", GUARDED)
def test_metadata_link_local_and_reserved_addresses_are_never_opened_by_a_wide_permission(address):
    everything = AllowList.parse("0.0.0.0/0, ::/0, trick.example.com, 127.0.0.0/8, 10.0.0.0/8, fc00::/7, 100.64.0.0/10")
    sentence = refusal(address, allow=everything, host="trick.example.com", allow_private=True)
    assert sentence is not None and "OUTBOUND_ALLOW=" in sentence and "allow_private" not in sentence
    entry = sentence.partition("OUTBOUND_ALLOW=")[2].split()[0]
    assert refusal(address, allow=AllowList.parse(entry)) is None


@pytest.mark.parametrize("address", NOT_ADDRESSES)
def test_what_is_not_an_address_is_refused(address):
    everything = AllowList.parse("0.0.0.0/0, ::/0, localhost")
    assert "not an IP address" in refusal(address, allow=everything, host="localhost", allow_private=True)


def test_a_listed_network_opens_exactly_itself():
    allow = AllowList.parse("10.1.0.0/16 127.0.0.1,[::1]")
    assert refusal("10.1.2.3", allow=allow) is None
    assert refusal("::ffff:10.1.2.3", allow=allow) is None
    assert refusal("127.0.0.1", allow=allow) is None
    assert refusal("::1", allow=allow) is None
    assert refusal("10.2.0.1", allow=allow)
    assert refusal("127.0.0.2", allow=allow)


def test_listing_the_link_local_range_itself_is_explicit_enough():
    assert refusal("169.254.7.7", allow=AllowList.parse("169.254.0.0/16")) is None
    assert refusal("169.254.169.254", allow=AllowList.parse("169.254.0.0/16")), (
        "the metadata service wants its own entry"
    )


def test_a_listed_name_opens_private_addresses_for_that_name_only():
    allow = AllowList.parse("CRM.internal. *.svc.example")
    for host in ("crm.internal", "CRM.INTERNAL.", "a.svc.example", "a.b.svc.example"):
        assert refusal("10.0.0.1", allow=allow, host=host) is None
    for host in ("", "xcrm.internal", "svc.example", "crm.internal.evil.com", "asvc.example"):
        assert refusal("10.0.0.1", allow=allow, host=host)


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/33", "300.1.1.1", "http://x", "a b/c", "x:80", "-x", "10.0.0", "*", "ä.de"]
)
def test_an_entry_that_is_neither_range_nor_name_is_an_error(entry):
    with pytest.raises(ValueError, match="OUTBOUND_ALLOW"):
        AllowList.parse(entry)


def test_an_empty_setting_lists_nothing():
    assert AllowList.parse("") == AllowList.parse(" , ") == AllowList.parse([]) == AllowList()
