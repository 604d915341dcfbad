"""Addresses of servers, as people are told of them."""

from urllib.parse import urlsplit


def spell_server(address: str) -> str:
    """Give host and port of a web address, and nothing else of it: it may carry a password."""
    return urlsplit(address).netloc.rpartition("@")[2]
