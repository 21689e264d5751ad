"""The command line ``mlops``; a command's module is imported only when the command is used.

To add a command or a group of commands: one line in ``COMMANDS``.
"""

from importlib import import_module

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("platform:up", "Start everything."),
    "down": ("platform:down", "Stop everything."),
    "restart": ("platform:restart", "Start one engine again."),
    "status": ("platform:status", "How every engine is."),
    "logs": ("platform:logs", "What an engine wrote."),
    "doctor": ("platform:doctor", "Name each problem of this installation and its mend."),
    "projects": ("projects:projects", "Projects: list, add, show, check."),
    "runs": ("runs:runs", "Runs: list, show, compare, techniques."),
    "run": ("run:run", "Launch a project's training through Airflow."),
    "workflows": (
        "workflows:workflows",
        "Workflows: list, show, trigger, pause, resume, retry, cancel, clear, logs.",
    ),
    "queue": ("queue:queue", "What runs, what waits and why; moving what waits."),
    "why": ("why:why", "Why a run or a machine was slow, or a deployment got worse."),
    "models": ("models:models", "Registered models: list, show, promote, rollback."),
    "deploy": ("deploy:deploy", "Put a version into service, without dropping a request."),
    "rollback": ("deploy:rollback", "Have an earlier version of an endpoint answer again."),
    "rollout": ("deploy:rollout", "Steer a rollout: promote, abort, share."),
    "scale": ("deploy:scale", "Replicas of an endpoint, and whether it may make room."),
    "undeploy": ("deploy:undeploy", "Take an endpoint out of service."),
    "deployments": ("deployments:deployments", "Endpoints: what is served, how fast, and how."),
    "predict": ("predict:predict", "Ask a model through the gateway."),
    "plan": ("plan:plan", "What a version takes of the memory, and whether it fits."),
    "privacy": ("deploy:privacy", "What the prediction log keeps of a project."),
    "drift": (
        "drift:drift",
        "Drift, data quality and accuracy of deployments: list, show, check, baseline.",
    ),
    "alerts": (
        "alerts:alerts",
        "Alerts: list, show, ack, silence, silences, unsilence, channels, test.",
    ),
    "objectives": (
        "objectives:objectives",
        "What deployments promise, and how they stand: list, set, remove.",
    ),
    "retrain": (
        "retrain:retrain",
        "Retraining: list, show, propose, accept, dismiss, policy.",
    ),
    "keys": ("keys:keys", "API keys of applications: list, add, revoke."),
    "hardware": ("hardware:hardware", "What machines say of themselves; tokens for agents."),
    "agent": ("agent:agent", "Report this machine to the platform on another one."),
    "worker": ("worker:worker", "Take tasks of the platform on another machine."),
    "data": ("data:data", "Data and models: status, add, push, pull, checkout, share, prune."),
    "lineage": (
        "lineage:lineage",
        "Where a thing came from, what came of it, what is bad or broken.",
    ),
    "report": (
        "report:report",
        "One HTML file of what was done; list, schedule, unschedule, schedules.",
    ),
    "users": ("users:users", "Accounts: add, list, set, disable, enable, reset-password."),
    "backup": ("backup:backup", "Copy the journal to a file."),
    "restore": ("backup:restore", "Put a backup in the journal's place."),
    "test": ("testing:test", "Run the tests."),
    "check": ("testing:check", "Format, lint, types, tests."),
}
"""Command → where it lives in ``services.commands``, and its line in the help."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(f"services.commands.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - a wrong line in the table above
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help from the table, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def mlops() -> None:
    """Run the MLOps platform of the EfficientAI-MLX-Toolkit."""


def main() -> None:
    """Run the command line."""
    mlops(prog_name="mlops")


if __name__ == "__main__":
    main()
