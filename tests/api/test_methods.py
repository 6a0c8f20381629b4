from openwa_manager.api.app import make_table
from openwa_manager.domain.access.actions import NEEDS, Action, Recorded
from tests.api.world import World, backing_of

#: What a GET may ask for though the audit tells of it, or its action is named for what others of its routes do.
MORE_READS = {
    Action.READ_QR: "a code is a login",
    Action.EXPORT_CONTACT: "it is all that is known of somebody",
    Action.CHANGE_PROXY: "who may read a proxy's password is who may change it",
}


async def test_nothing_changes_by_get(world: World) -> None:
    table = make_table(backing_of(world), world.gateway)
    reads = {action for action, need in NEEDS.items() if need.recorded is Recorded.NEVER and need.is_unhindered}

    changing = [
        each.name
        for each in table
        if each.method in ("GET", "HEAD") and each.action is not None and each.action not in reads | set(MORE_READS)
    ]

    assert changing == []
