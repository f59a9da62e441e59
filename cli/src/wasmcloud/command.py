"""The command line: what the flags are and what they say of themselves."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from wasmcloud.complaints import BadInput, Broken, Complaint
from wasmcloud.options import Options

app = typer.Typer(
    name="wasmcloud",
    help="Run WebAssembly workloads on this machine, from the same manifests as on Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str]) -> int:
    """Carry out the command and return the exit code: 0 done, 1 can't be done, 2 not understood."""
    try:
        code = app(list(arguments), prog_name="wasmcloud", standalone_mode=False)
    except typer.TyperException as error:
        sentence = error.format_message()
        if sentence:  # nothing was asked for: the help has been shown
            _complain(
                f"{sentence}{'' if sentence.endswith(('.', '?')) else '.'} `wasmcloud --help` shows what there is."
            )
        return error.exit_code
    except Complaint as complaint:
        _complain(*complaint.sentences)
        if isinstance(complaint, Broken) and complaint.logs:
            _complain(f"The logs are in {complaint.logs}.")
        return complaint.exit_code
    return code or 0


def _complain(*sentences: str) -> None:
    for sentence in sentences:
        sys.stderr.write(f"wasmcloud: {sentence}\n")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version  # noqa: PLC0415 - for this flag alone

        sys.stdout.write(f"wasmcloud {version('wasmcloud')}\n")
        raise typer.Exit


@app.callback()
def _wasmcloud(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(context_settings={"allow_extra_args": True})
def up(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "-f",
            "--file",
            metavar="FILE",
            help="A manifest, a folder of manifests, or - for standard input; may be repeated. Needed.",
        ),
    ] = None,
    hosts: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="How many hosts to run.")] = 1,
    http: Annotated[
        str,
        typer.Option(metavar="ADDR", help="Where the first host takes HTTP requests; each further one a port higher."),
    ] = "127.0.0.1:8000",
    watch: Annotated[
        bool, typer.Option("--watch", help="Roll in every change of a manifest or of a component in a file at once.")
    ] = False,
) -> None:
    """Run manifests on this machine, without a cluster, until Ctrl-C.

    Starts NATS, hosts and the operator's engine; shows what runs and where to open it.

    An image may be a file beside the manifest (image: file://hello.wasm) or in a registry.

    Ctrl-C ends everything. Only the cache of compiled components stays.
    """
    from wasmcloud.screen import screen_for_stdout  # noqa: PLC0415 - `--help` needs none of it
    from wasmcloud.up import up as start  # noqa: PLC0415

    if context.args:
        raise BadInput(f"Manifests are given with -f: wasmcloud up -f {' -f '.join(context.args)}")
    if not files:
        raise BadInput("Nothing to run: name a manifest, as in wasmcloud up -f workload.yaml")
    options = Options(files=tuple(files), host_count=hosts, http=http, is_watching=watch)
    start(options, screen_for_stdout())
