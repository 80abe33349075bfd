"""A stream of releases, and apt in the middle of it.

Not here: what apt reads, and how (apt.py).
"""

import shutil
import threading
import time
from pathlib import Path

from .apt import Apt
from .proof import require
from .served import Served

REF = "dist/stream"
# Clients that update at the same time.
CLIENTS = 2
# How long it may take until the server has published one release more.
RELEASE_SECONDS_MAX = 60


class Stream:
    """Publishes one release after the other until it is told to end."""

    def __init__(self, served: Served, apt: Apt, folder: Path):
        self.served = served
        self.apt = apt
        self.folder = folder
        # The newest version that was published, and that may be published already.
        self.published = 0
        self.begun = 0
        self.has_to_end = threading.Event()
        self.failure: list[BaseException] = []

    def publish_next(self) -> None:
        """Publishes one release more."""
        version = self.published + 1
        tree = self.folder / f"stream-{version}"
        tree.mkdir()
        self.apt.write(tree, version)
        build = self.served.commit(tree, REF).build
        shutil.rmtree(tree)
        self.begun = version
        self.served.publish(build)
        self.published = version

    def publish_on(self) -> None:
        """Publishes until the end."""
        self._catching(self._publish_on)

    def _publish_on(self) -> None:
        while not self.has_to_end.is_set():
            self.publish_next()

    def update_on(self, root: Path, updates: int) -> None:
        """Updates so many times, and looks each time at what apt knows now."""
        self._catching(lambda: self._update_on(root, updates))

    def _update_on(self, root: Path, updates: int) -> None:
        for _ in range(updates):
            if self.failure:
                return
            oldest = self.published
            wrong = self.apt.update(root)
            newest = self.begun
            require(wrong == "", f"apt-get update, between releases {oldest} and {newest}: {wrong}")
            found = int(self.apt.newest(root))
            require(oldest <= found <= newest, f"apt knows release {found} after an update between {oldest} and {newest}")

    def _catching(self, act: object) -> None:
        try:
            act()
        # Whatever a thread ends with is for whoever waits for it.
        except BaseException as failure:  # noqa: BLE001
            self.failure.append(failure)
            self.has_to_end.set()


def stream(served: Served, folder: Path, updates: int) -> str:
    """Updates so many times while releases come, from several clients; says how many there were of each."""
    apt = Apt(folder)
    try:
        stream_ = Stream(served, apt, folder)
        stream_.publish_next()
        publisher = threading.Thread(target=stream_.publish_on)
        url = served.published(REF)
        roots = [apt.root(url, f"client-{number}") for number in range(CLIENTS)]
        share = -(-updates // CLIENTS)
        clients = [threading.Thread(target=stream_.update_on, args=(root, share)) for root in roots]
        start = time.monotonic()
        for thread in (publisher, *clients):
            thread.start()
        for thread in clients:
            thread.join()
        stream_.has_to_end.set()
        publisher.join(RELEASE_SECONDS_MAX)
        if stream_.failure:
            raise stream_.failure[0]
        require(not publisher.is_alive(), f"a release took more than {RELEASE_SECONDS_MAX} s")
        seconds = time.monotonic() - start
        require(stream_.published > 1, "nothing was published meanwhile")
    finally:
        apt.close()
    return f"{share * CLIENTS} updates while {stream_.published} releases came, in {seconds:.0f} s"
