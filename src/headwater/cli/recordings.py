"""`headwater recording`: look at recordings, check them, make a file of one."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from headwater.cli.loop import run
from headwater.cli.options import with_settings
from headwater.cli.text import aligned, out, print_table
from headwater.core.errors import OperatorError
from headwater.node.config import Config
from headwater.node.recording import recordings
from headwater.node.recording.export import export
from headwater.node.recording.recordings import Located
from headwater.recording.event_file import EventFile, GapEntry, ThumbnailEntry
from headwater.recording.verify import Report, verify

recording_app = typer.Typer(
    name="recording",
    help="Look at recordings, check them, export one.",
    no_args_is_help=True,
    add_completion=False,
)

_with_settings = partial(with_settings, shown=("server", "store", "recording"))
DEFAULT_LIMIT = 50
SHOWN_FINDINGS = 100
"""Of one recording; the rest is counted."""
_STATUS = {
    "RECORDING_STARTED": "recording",
    "RECORDING_ENDED": "complete",
    "RECORDING_ENDED_WITH_FAILURE": "failed",
}

Which = Annotated[
    str, typer.Argument(help="The recording's id, or its prefix: ivs/v1/...", show_default=False)
]
Bucket = Annotated[
    str | None, typer.Option(help="Only in this bucket; default: all that are known.")
]


@recording_app.command("list")
@_with_settings
def recording_list(
    config: Config,
    *,
    bucket: Bucket = None,
    channel: Annotated[
        str | None, typer.Option(help="Only of this channel: its id, or its ARN.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = DEFAULT_LIMIT,
) -> None:
    """List the newest recordings, newest first."""
    channel_id = channel.rpartition("/")[2] if channel else None
    found = run(
        recordings.listed(config.settings, bucket=bucket, channel_id=channel_id, limit=limit)
    )
    rows = [("started", "duration", "status", "channel", "recording", "bucket")]
    rows += [
        (
            f"{one.started_at:%Y-%m-%d %H:%M:%SZ}",
            _duration(one.recording.event),
            _status(one),
            one.recording.place.channel_id,
            one.recording.place.id,
            one.bucket.name,
        )
        for one in found
    ]
    print_table(rows)


@recording_app.command("show")
@_with_settings
def recording_show(config: Config, *, recording: Which, bucket: Bucket = None) -> None:
    """Print what a recording's event file says."""
    one = run(recordings.found(config.settings, recording, bucket=bucket))
    rows = [
        ("bucket", one.bucket.name),
        ("prefix", one.recording.place.prefix),
        ("status", _status(one)),
    ]
    event = one.recording.event
    if event is None:
        rows.append(("problem", f"{one.recording.event_key}: {one.recording.problem}"))
    else:
        rows += _event_rows(event)
    for line in aligned(rows):
        out.print(line)


@recording_app.command("verify")
@_with_settings
def recording_verify(
    config: Config,
    *,
    recording: Annotated[
        str | None,
        typer.Argument(help="The recording's id, or its prefix: ivs/v1/...", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Check all recordings.")] = False,
    bucket: Bucket = None,
) -> None:
    """Check every object and playlist of a recording; exit status 1 if something is wrong."""
    if every == (recording is not None):
        raise OperatorError("name a recording, or give --all")
    if recording is not None:
        chosen = [run(recordings.found(config.settings, recording, bucket=bucket))]
    else:
        chosen = run(
            recordings.listed(config.settings, bucket=bucket, channel_id=None, limit=sys.maxsize)
        )
    faulty = sum(not _verified(one) for one in chosen)
    if every:
        out.print(f"{len(chosen)} recordings, {faulty} with faults")
    if faulty:
        raise typer.Exit(1)


@recording_app.command("export")
@_with_settings
def recording_export(
    config: Config,
    *,
    recording: Which,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="The file; default: <recording id>.mp4."),
    ] = None,
    rendition: Annotated[
        str | None, typer.Option(help="Which one, e.g. 720p30; default: the best.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    bucket: Bucket = None,
) -> None:
    """Make one MP4 of a recording, without encoding anything again."""
    one = run(recordings.found(config.settings, recording, bucket=bucket))
    path = Path(output or f"{one.recording.place.id}.mp4")
    if not path.parent.is_dir():
        raise OperatorError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise OperatorError(f"{path} is a folder: name a file in it")
    if path.exists() and not overwrite:
        raise OperatorError(f"{path} is there already; --overwrite replaces it")
    with _progress(f"exporting {path.name}", in_bytes=False) as tell:
        try:
            done = run(
                export(one.bucket.store, one.recording, path, rendition=rendition, tell=tell)
            )
        except recordings.FAILURES as error:
            place = one.recording.place
            raise OperatorError(f"{place.id} cannot be exported: {_first_line(error)}") from None
    out.print(
        f"{path}: {done.rendition}, {_clock(done.duration_s)}, {done.size_bytes / 1e6:,.1f} MB"
    )
    out.print("Timed metadata is not in it: MP4 players have no use for it.")
    if not done.is_over:
        out.print("The recording goes on: this is what is stored of it now.")
    if done.missing_s:
        out.print(f"{done.missing_s:.1f} s are missing from the recording, and stand still in it.")
    if done.left_out:
        out.print(f"{done.left_out} packets were left out, as their times go back.")


def _verified(one: Located) -> bool:
    """Check one and print what was found; whether it is faultless."""
    place = one.recording.place
    with _progress(f"checking {place.id}", in_bytes=True) as tell:
        try:
            report = run(verify(one.bucket.store, place, tell))
        except recordings.FAILURES as error:
            raise OperatorError(f"bucket {one.bucket.name}: {_first_line(error)}") from None
    for finding in report.findings[:SHOWN_FINDINGS]:
        out.print(f"FAULT  {finding.key}: {finding.text}")
    if len(report.findings) > SHOWN_FINDINGS:
        out.print(f"       and {len(report.findings) - SHOWN_FINDINGS} more")
    for note in report.notes:
        out.print(f"note   {note}")
    out.print(_summary(one, report))
    return not report.findings


def _summary(one: Located, report: Report) -> str:
    count = len(report.findings)
    verdict = "ok" if not count else f"{count} fault{'s' if count > 1 else ''}"
    goes_on = "" if report.is_over else ", not over yet"
    return (
        f"{one.recording.place.prefix}: {verdict} "
        f"({report.objects} objects, {report.size_bytes / 1e6:,.1f} MB, "
        f"{report.segments} segments, {report.thumbnails} thumbnails, "
        f"{_clock(report.duration_s)}{goes_on})"
    )


def _event_rows(event: EventFile) -> list[tuple[str, str]]:
    rows = [
        ("channel", event.channel_arn),
        ("started", f"{event.recording_started_at:%Y-%m-%d %H:%M:%SZ}"),
    ]
    if event.recording_ended_at is not None:
        rows.append(("ended", f"{event.recording_ended_at:%Y-%m-%d %H:%M:%SZ}"))
        rows.append(("duration", _duration(event)))
    if event.recording_status_message:
        rows.append(("message", event.recording_status_message))
    hls = event.media.hls
    for each in hls.renditions if hls else ():
        size = f"{each.resolution_width}x{each.resolution_height}"
        sound_only = each.resolution_width is None
        rows.append(("rendition", f"{each.path}  {'sound only' if sound_only else size}"))
        rows += [("gap", f"{each.path}  {_gap(gap)}") for gap in each.gaps]
    rows += _thumbnail_rows("thumbnails", event.media.thumbnails)
    rows += _thumbnail_rows("latest thumbnail", event.media.latest_thumbnail)
    return rows


def _gap(gap: GapEntry) -> str:
    return f"{gap.duration_ms / 1000:.3f} s from {gap.start:%Y-%m-%d %H:%M:%SZ}: {gap.reason}"


def _thumbnail_rows(name: str, entry: ThumbnailEntry | None) -> list[tuple[str, str]]:
    if entry is None:
        return []
    return [(name, f"{entry.path}  {entry.resolution_width}x{entry.resolution_height}")]


def _status(one: Located) -> str:
    event = one.recording.event
    return _STATUS[event.recording_status] if event else "unreadable"


def _duration(event: EventFile | None) -> str:
    if event is None or event.media.hls is None or event.media.hls.duration_ms is None:
        return "-"
    return _clock(event.media.hls.duration_ms / 1000)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _progress(title: str, *, in_bytes: bool) -> Iterator[Callable[[float, float], None]]:
    """A bar on standard error, where that is a terminal; what it is told with."""
    amount: ProgressColumn = (
        DownloadColumn() if in_bytes else TextColumn("{task.completed:,.0f} of {task.total:,.0f} s")
    )
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(title, total=1)
        yield lambda done, whole: bar.update(task, completed=done, total=max(done, whole))
