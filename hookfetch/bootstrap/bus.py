"""Which bus there is between the roles."""

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.link import Address, broker_address
from hookfetch.config import Config
from hookfetch.core.ports import Bus


def address_of(config: Config) -> Address | None:
    """Return where the configured broker is, or None for the in-process bus; ConfigurationError when a
    file cannot be used."""
    bus = config.bus
    url = bus.broker_url()
    if url is None:
        return None
    return broker_address(url, ca=bus.ca_file, certificate=bus.cert_file, key=bus.key_file)


def bus_of(config: Config) -> Bus:
    """Return the bus between the roles, not started yet: in this process, or the configured broker."""
    address = address_of(config)
    if address is None:
        return MemoryBus(config.state_dir / "dead")
    return RabbitBus(address, confirm_timeout=config.bus.confirm_timeout)
