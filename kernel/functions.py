"""The kernel as one object: a method for each SQL function."""

from kernel.api_functions import ApiFunctions
from kernel.control_functions import ControlFunctions
from kernel.delivery_functions import DeliveryFunctions
from kernel.event_functions import EventFunctions
from kernel.follow_functions import FollowFunctions
from kernel.key_functions import KeyFunctions
from kernel.mcp_server_functions import McpServerFunctions
from kernel.notification_functions import NotificationFunctions
from kernel.people_functions import PeopleFunctions
from kernel.pod_functions import PodFunctions
from kernel.postgres import Row
from kernel.read_functions import ReadFunctions
from kernel.repair_functions import RepairFunctions


class Kernel(
    PodFunctions,
    ApiFunctions,
    EventFunctions,
    FollowFunctions,
    PeopleFunctions,
    KeyFunctions,
    ControlFunctions,
    RepairFunctions,
    ReadFunctions,
    McpServerFunctions,
    NotificationFunctions,
    DeliveryFunctions,
):
    """All functions over one transport. Which of them succeed is decided by the database role, not here."""

    def as_caller(self, claims: Row) -> "Kernel":
        """The same kernel on behalf of verified `claims`: `tenant_id`, `actor`, `person`, `groups`, `scopes`."""
        return Kernel(self.transport, claims)

    def as_tenant(self, tenant_id: str, actor: str) -> "Kernel":
        """The same kernel within one tenant; `actor` is written to events, and no scope holds it off."""
        return self.as_caller({"tenant_id": tenant_id, "actor": actor})
