"""`--help` in plain text, with the options in groups."""

import re
from typing import Any

from typer.core import TyperCommand

from streamdet.cli.options import MESSAGES

_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.\-\[\]:]+:\d{1,5}")


class GroupedCommand(TyperCommand):
    """A command whose help lists arguments, options without a `rich_help_panel`, and then a group for each panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the groups in the order in which their first option is declared."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                _, text = parameter.get_help_record(ctx) or ("", "")
                groups["Arguments"].append((parameter.metavar or "", text))  # without the type that typer adds
            elif record := parameter.get_help_record(ctx):
                panel = MESSAGES if parameter.name == "help" else getattr(parameter, "rich_help_panel", None)
                groups.setdefault(panel or "Options", []).append((record[0], with_defaults(record[1])))
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def with_defaults(text: str) -> str:
    """Put the default of a job's setting in the place of its name in braces, as in "Default: {detect.conf}."."""
    names = re.findall(r"\{(\w+\.\w+)\}", text)
    if names:
        from streamdet.jobs.config import load_job  # loads the stages, which declare them

        job = load_job()
        for name in names:
            section, _, key = name.partition(".")
            text = text.replace(f"{{{name}}}", str(getattr(job.settings_of(section), key)))
    return text


class RunCommand(GroupedCommand):
    """A command whose `--ray` may stand without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Say `local` where the next word is no address of a cluster."""
        words = list(args)
        for place, word in enumerate(args):
            if word == "--ray" and not _ADDRESS.fullmatch("".join(args[place + 1 : place + 2])):
                words[place] = "--ray=local"
        return super().parse_args(ctx, words)
