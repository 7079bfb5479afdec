"""Routes: keeping the town, and beginning anew."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path, Response

from posthouse.simulator import views
from posthouse.simulator.control.site import here, site
from posthouse.simulator.state.graph import Unsavable
from posthouse.simulator.state.snapshots import Snapshot, TownUnreadable, restore, take

SNAPSHOTS_MAX = 50
Name = Annotated[str, Path(min_length=1, max_length=100)]


def routes_of_state() -> APIRouter:
    routes = APIRouter(tags=["state"])

    @routes.post("/reset")
    async def reset() -> None:
        """Forget everybody and everything; limits, strictness and snapshots stay."""
        here().reset()

    @routes.post("/snapshot")
    async def take_snapshot(wanted: views.SnapshotName | None = None) -> views.Snapshot:
        """Keep the town as it is now under a name, in memory."""
        name = (wanted or views.SnapshotName()).name
        if name not in site().snapshots and len(site().snapshots) >= SNAPSHOTS_MAX:
            raise HTTPException(409, f"{SNAPSHOTS_MAX} snapshots are kept already; delete one")
        try:
            site().snapshots[name] = take(here(), name)
        except Unsavable as error:
            raise HTTPException(500, str(error)) from None
        return _view(site().snapshots[name])

    @routes.post("/restore")
    async def restore_snapshot(wanted: views.SnapshotName | None = None) -> views.Snapshot:
        """Put a snapshot in place of the town. The clock is not put back, and numbering of events goes on."""
        snapshot = _kept((wanted or views.SnapshotName()).name)
        _restore(snapshot.data)
        return _view(snapshot)

    @routes.get("/snapshots")
    async def list_snapshots() -> list[views.Snapshot]:
        return [_view(snapshot) for snapshot in site().snapshots.values()]

    @routes.get("/snapshots/{name}", response_class=Response)
    async def download_snapshot(name: Name) -> Response:
        """A snapshot as a file, which `--state` and PUT take."""
        return Response(_kept(name).data, media_type="application/octet-stream")

    @routes.put("/snapshots/{name}")
    async def upload_snapshot(
        name: Name, data: Annotated[bytes, Body(media_type="application/octet-stream")]
    ) -> views.Snapshot:
        """Live in the town of this file from now on, and keep it under the name."""
        _restore(data)
        site().snapshots[name] = take(here(), name)
        return _view(site().snapshots[name])

    @routes.delete("/snapshots/{name}")
    async def delete_snapshot(name: Name) -> None:
        site().snapshots.pop(name, None)

    def _kept(name: str) -> Snapshot:
        if name not in site().snapshots:
            raise HTTPException(404, f"no snapshot {name!r}; there are {', '.join(sorted(site().snapshots)) or 'none'}")
        return site().snapshots[name]

    def _restore(data: bytes) -> None:
        try:
            restore(here(), data)
        except TownUnreadable as error:
            raise HTTPException(422, str(error)) from None

    return routes


def _view(snapshot: Snapshot) -> views.Snapshot:
    return views.Snapshot(
        name=snapshot.name,
        time=snapshot.time,
        size_bytes=len(snapshot.data),
        bots=snapshot.bots,
        people=snapshot.people,
        chats=snapshot.chats,
    )
