"""What is wrong with settings from the environment, setting by setting, without any value that was given.

Rules:
- A fault begins with the setting's name as it stands in the environment. Values that are expected are named exactly.
- An empty setting counts as not set; that is the reader's own doing (`env_ignore_empty`).

From `pydantic`'s words, to the settings of workers, subscriptions and the deployer.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, ValidationError

from contracts.phrases import lower_first

_BROKER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_PORT_MAX: Final = 65_535
_OF_A_VALIDATOR: Final = "Value error, "


def _brokers(text: str) -> str:
    for broker in text.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or not 0 < int(found[1]) <= _PORT_MAX:
            raise ValueError("expected `host:port[,host:port]`, such as `kafka-1:9092,kafka-2:9092`")
    return text


Brokers = Annotated[str, AfterValidator(_brokers)]
"""The bootstrap servers of a cluster: without a port a client would try for ever."""


def setting_faults(prefix: str, invalid: ValidationError) -> str:
    """Return every fault as `<PREFIX><NAME>`: what is expected."""
    found = invalid.errors(include_url=False, include_input=False)
    return "; ".join(f"`{prefix}{'_'.join(map(str, fault['loc'])).upper()}`: {_words(fault['msg'])}" for fault in found)


def _words(message: str) -> str:
    return lower_first(message.removeprefix(_OF_A_VALIDATOR))
