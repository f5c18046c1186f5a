"""Event delivery: the dispatcher and its couriers, as the settings want them."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from headwater.events.delivery import Couriers
from headwater.events.dispatcher import Dispatcher
from headwater.node.settings import Settings
from headwater.store import Store

FOLDER = "events"
"""In the data directory."""
HOUR_MS = 3_600_000


def files_folder(settings: Settings) -> Path:
    """Where files of events are."""
    return Path(settings.events.folder or Path(settings.server.data_dir) / FOLDER)


class EventDelivery:
    """Delivers until it is closed."""

    def __init__(
        self, settings: Settings, store: Store, *, server: str, now_ms: Callable[[], int]
    ) -> None:
        self._couriers = Couriers(
            folder=files_folder(settings),
            file_max_bytes=settings.events.file_max_bytes,
            private_webhooks=settings.events.private_webhooks == "on",
            now_s=lambda: int(time.time()),
        )
        self._dispatcher = Dispatcher(
            store,
            self._couriers,
            server=server,
            retention_ms=settings.events.retention_hours * HOUR_MS,
            now_ms=now_ms,
            random=random.random,
        )

    def wake(self) -> None:
        """Events were written."""
        self._dispatcher.wake()

    async def start(self) -> None:
        """Go on with what is undelivered.

        Raises:
            OperatorError: the database cannot be written.
        """
        await self._dispatcher.start()

    async def close(self) -> None:
        """Stop delivering."""
        await self._dispatcher.close()
        await self._couriers.close()
