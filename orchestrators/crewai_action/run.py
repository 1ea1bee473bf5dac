# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["crewai==1.15.30", "jsonschema>=4.26", "openai>=2.30,<3", "pyyaml>=6", "referencing>=0.36"]
# ///
"""The orchestrator `crewai-action`: a CrewAI crew does the task.

CrewAI is used as it comes. What it may not do here is switched off: telemetry, traces and the look for newer versions
(which would be traffic to the outside), memory (which would be files of this machine), its cache of tool results (with
which the number of calls depends on timing), and files under random names for long tool results. So a task that is
started again sends the same requests.
"""

import os
import warnings
from typing import Any

# Before the import: CrewAI looks at these while it is imported.
os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "ANONYMIZED_TELEMETRY": "false",  # of chromadb, which CrewAI brings along
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
warnings.filterwarnings("ignore", category=DeprecationWarning)

from orchestrators import kit  # noqa: E402
from orchestrators.answers.ledger import Ledger  # noqa: E402
from orchestrators.answers.output_form import OutputForm  # noqa: E402
from orchestrators.crewai_action.checked_output import CheckedOutput  # noqa: E402
from orchestrators.crewai_action.crew import make_crew  # noqa: E402
from orchestrators.crewai_action.endpoint_errors import as_failure  # noqa: E402
from orchestrators.crewai_action.tool_endpoint import open_tools  # noqa: E402


def act(task: kit.Task) -> dict[str, Any]:
    """Do the task and return its output: an object of the output schema, or `{"text": answer}` without one.

    Raises:
        kit.Refused: the schema or the agent's tools are wrong, or the answer was still invalid after the corrections.
        kit.Failed: an endpoint failed; `retryable` as the failure says.
    """
    ledger = Ledger()
    checked = CheckedOutput(OutputForm(task.output_schema, ledger), lambda notice: kit.report_progress(task, notice))
    try:
        make_crew(task, open_tools(task, ledger), checked).kickoff()
    except kit.Failed:
        raise
    except (Exception, SystemExit) as error:  # CrewAI ends the process for a conversation that has become too long
        raise (as_failure(error) or checked.refusal or error) from error
    return checked.output


if __name__ == "__main__":
    kit.serve(act)
