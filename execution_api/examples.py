"""One example for every body of the API: a refund that a person decides after an agent has drafted the answer."""

from typing import Any

Json = dict[str, Any]

BPMN = """<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="refund_file" targetNamespace="http://example.org/refund">
  <bpmn:process id="refund" name="Refund" isExecutable="true">
    <bpmn:startEvent id="asked" />
    <bpmn:sequenceFlow id="to_decide" sourceRef="asked" targetRef="decide" />
    <bpmn:userTask id="decide" name="Decide the refund">
      <bpmn:extensionElements>
        <zeebe:assignmentDefinition candidateGroups="support" />
      </bpmn:extensionElements>
    </bpmn:userTask>
    <bpmn:sequenceFlow id="to_done" sourceRef="decide" targetRef="done" />
    <bpmn:endEvent id="done" />
  </bpmn:process>
</bpmn:definitions>
"""

DMN = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="refund_rules" name="Refund rules"
    namespace="http://example.org/refund">
  <decision id="refund_limit" name="Refund limit">
    <decisionTable hitPolicy="FIRST">
      <input label="Amount"><inputExpression><text>amount</text></inputExpression></input>
      <output name="approval" />
      <rule><inputEntry><text>&lt; 50</text></inputEntry><outputEntry><text>"none"</text></outputEntry></rule>
      <rule><inputEntry><text>-</text></inputEntry><outputEntry><text>"manager"</text></outputEntry></rule>
    </decisionTable>
  </decision>
</definitions>
"""

_INSTANCE_ID = "0193a5c1-4f0e-4c5a-9d55-0d6a4f1f7a10"
_TASK_ID = "0193a5c1-4f2a-7b1c-8a11-6f0f5d3a2b44"
_DOCUMENT_ID = "0193a5b0-0c11-7d2e-9b7a-1c2d3e4f5a6b"
_POD_ID = "7d6f1b52-6b0e-4c38-8f0b-6f1f3f3c2a90"
_AT = "2026-11-20T09:30:00Z"
_LATER = "2026-11-20T09:31:12Z"

_LINKS: Json = {
    "instance": f"/instances/{_INSTANCE_ID}",
    "events": f"/instances/{_INSTANCE_ID}/events",
    "calls": f"/instances/{_INSTANCE_ID}/calls",
    "cancel": f"/instances/{_INSTANCE_ID}/cancel",
    "retry": f"/instances/{_INSTANCE_ID}/incidents/retry",
}
_VARIABLES: Json = {"order": "4711", "amount": 49.9, "initiator": "ann@example.org"}
_VERSION: Json = {
    "id": "refund",
    "version": 2,
    "name": "Refund",
    "created_at": _AT,
    "deployed_by": "api_key:ci",
    "is_new": True,
}
_DECISION: Json = {**_VERSION, "id": "refund_limit", "name": "Refund limit"}
_SUMMARY: Json = {
    "id": _INSTANCE_ID,
    "process_definition_id": "refund",
    "process_definition_version": 2,
    "initiator": "ann@example.org",
    "status": "RUNNING",
    "error": None,
    "start_time": _AT,
    "end_time": None,
}
_TASK: Json = {
    "task_id": _TASK_ID,
    "proc_inst_id": _INSTANCE_ID,
    "process_definition_id": "refund",
    "activity_id": "decide",
    "name": "Decide the refund",
    "iteration": 1,
    "engine_token": "5d1c3b0e-6c0a-5b5e-8a43-2f7a0f0c9d11",
    "status": "TODO",
    "agent_orch": "openai-action",
    "agent_id": "billing-assistant",
    "agent_mode": "draft",
    "instruction": "Draft the answer to the customer.",
    "input": {"order": "4711", "amount": 49.9},
    "output_schema": None,
    "form": None,
    "assignee": None,
    "candidate_groups": ["support"],
    "priority": 3,
    "attempt": 1,
    "max_attempts": 3,
    "available_at": None,
    "draft": {"answer": "We refund 49.90 EUR."},
    "output": None,
    "error": None,
    "log_tail": None,
    "submitted_by": None,
    "created_at": _AT,
    "started_at": _AT,
    "finished_at": None,
    "due_at": "2026-11-21T09:30:00Z",
    "delegated_by": None,
    "stopped": False,
    "cancelled_by": None,
    "error_class": None,
    "failed_attempts": [
        {
            "attempt": 1,
            "counted": False,
            "pod_id": _POD_ID,
            "started_at": _AT,
            "ended_at": _AT,
            "error_class": "model_overloaded",
            "reason": "The model endpoint answered HTTP 429",
        }
    ],
    "retry_policy": {"first_seconds": 60, "factor": 5},
}
_EVENT: Json = {
    "event_id": 1042,
    "proc_inst_id": _INSTANCE_ID,
    "task_id": _TASK_ID,
    "event_type": "TASK_DRAFTED",
    "actor": f"pod:{_POD_ID}",
    "message": "Decide the refund",
    "data": {"attempt": 1, "run_seconds": 4.2},
    "timestamp": _LATER,
}
_CALL: Json = {
    "call_id": 311,
    "proc_inst_id": _INSTANCE_ID,
    "task_id": _TASK_ID,
    "attempt": 1,
    "kind": "chat",
    "name": "gpt-5-mini",
    "request": {"messages": [{"role": "user", "content": "Draft the answer to the customer."}]},
    "response": {"choices": [{"message": {"role": "assistant", "content": "We refund 49.90 EUR."}}]},
    "outcome": "ok",
    "input_tokens": 214,
    "output_tokens": 31,
    "cost_usd": "0.00011550",
    "latency_ms": 1830,
    "timestamp": _LATER,
}
_COST: Json = {"model_calls": 1, "tool_calls": 0, "input_tokens": 214, "output_tokens": 31, "cost_usd": "0.00011550"}
_AGENT_REQUEST: Json = {
    "name": "Billing assistant",
    "role": "clerk in the billing department",
    "goal": "answer customers correctly and briefly",
    "persona": "friendly, exact with amounts",
    "model": None,
    "tools": ["search_documents"],
    "limits": {"tool_calls": 50, "cost_usd": "0.50"},
}
_AGENT: Json = {"agent_id": "billing-assistant", **_AGENT_REQUEST}
_LIMITS: Json = {
    "model_calls": None,
    "tool_calls": 50,
    "tokens": None,
    "cost_usd": "0.50",
    "run_seconds": None,
    "repeats": None,
}
_AGENT["limits"] = _LIMITS
_BUDGET: Json = {
    "tokens": 120400,
    "cost_usd": "0.84210000",
    "most_tokens": None,
    "most_cost_usd": "20",
    "ends_at": "2026-12-01T00:00:00Z",
}
_ORCHESTRATOR: Json = {
    "id": "openai-action",
    "description": "one agent with tools",
    "first_seen_at": _AT,
    "last_seen_at": _LATER,
}
_POD: Json = {
    "pod_id": _POD_ID,
    "name": "pod-1",
    "serves": ["openai-action"],
    "address": "http://127.0.0.1:8701",
    "status": "READY",
    "started_at": _AT,
    "heartbeat_at": _LATER,
}
_DOCUMENT_HEAD: Json = {
    "doc_id": _DOCUMENT_ID,
    "title": "Refund policy",
    "source": "refund-policy.md",
    "media_type": "text/markdown",
}
_MADE: Json = {"proc_inst_id": None, "created_by": "user:ann@example.org", "created_at": _AT}
_DOCUMENT_SUMMARY: Json = {**_DOCUMENT_HEAD, "characters": 5120, **_MADE}
_SAVED_DOCUMENT: Json = {**_DOCUMENT_HEAD, "characters": 5120, "passages": 7}
_PASSAGE: Json = {
    "doc_id": _DOCUMENT_ID,
    "title": "Refund policy",
    "source": "refund-policy.md",
    "chunk": 2,
    "heading": "Deadlines",
    "content": "Refunds are possible within 30 days.",
    "score": 0.0327,
}

_KEY: Json = {
    "key_id": "0193a5b2-1d22-7e3f-8c8b-2d3e4f5a6b7c",
    "name": "shop",
    "role": "worker",
    "scopes": ["start"],
    "created_by": "user:ann@example.org",
    "created_at": _AT,
    "expires_at": "2027-11-20T00:00:00Z",
    "last_used_at": None,
    "old_key_until": None,
    "revoked_at": None,
}

_NOTIFICATION: Json = {
    "notify_id": 42,
    "user_id": "ann@example.org",
    "proc_inst_id": _INSTANCE_ID,
    "task_id": _TASK_ID,
    "type": "TASK_ASSIGNED",
    "message": "Decide the refund",
    "read_flag": False,
    "created_at": _LATER,
}
_QUIET: Json = {"begin": "22:00", "end": "07:00", "time_zone": "Asia/Seoul"}
_CHANNELS: Json = {"TASK_ASSIGNED": ["email", "fcm"], "INCIDENT": ["email"], "PROCESS_DONE": []}
_DEVICE: Json = {
    "device_id": "0193a5c2-77aa-7c3b-8d21-5b6c7d8e9f01",
    "user_id": "ann@example.org",
    "platform": "android",
    "registered_at": _AT,
}
_WEBHOOK_REQUEST: Json = {"url": "https://example.org/fleet", "description": "chat", "types": ["INCIDENT"]}
_WEBHOOK: Json = {
    "endpoint_id": "0193a5c3-12bb-7d4c-9e32-6c7d8e9fa012",
    **_WEBHOOK_REQUEST,
    "enabled": True,
    "disabled_reason": None,
    "created_at": _AT,
    "old_secret_until": None,
}
_MCP_SERVER_REQUEST: Json = {
    "url": "https://tools.example.org/crm/mcp",
    "description": "customers and their orders",
    "headers": {"Authorization": "Bearer c0ffee-c0ffee"},
    "allowed_tools": ["find_customer", "create_ticket"],
    "idempotent_tools": ["create_ticket"],
    "timeout_seconds": 30,
}
_MCP_SERVER: Json = {
    "name": "crm",
    **{name: value for name, value in _MCP_SERVER_REQUEST.items() if name != "headers"},
    "header_names": ["Authorization"],
    "enabled": True,
    "created_at": _AT,
    "updated_at": _LATER,
}
_QUESTION: Json = {
    "question_id": "01a1f8c7-7d0d-72db-b536-6dc38a1059fa",
    "proc_inst_id": "01a1f8c7-7d0d-7000-8000-6dc38a1059fa",
    "task_id": "01a1f8c7-7d0d-7001-8000-6dc38a1059fa",
    "kind": "person",
    "question": "May I refund 90 euros?",
    "form": {"type": "object", "properties": {"approved": {"type": "boolean"}}, "required": ["approved"]},
    "assignee": "bob@example.org",
    "candidate_groups": [],
    "due_at": "2026-11-21T09:30:00Z",
    "status": "open",
    "answer": None,
    "answered_by": None,
    "created_at": "2026-11-20T09:30:00Z",
    "answered_at": None,
}

_DELIVERY: Json = {
    "outbox_id": 71,
    "channel": "webhook",
    "destination": _WEBHOOK["endpoint_id"],
    "proc_inst_id": _INSTANCE_ID,
    "task_id": _TASK_ID,
    "status": "DEAD",
    "attempts": 1,
    "next_attempt_at": _LATER,
    "last_error": "the receiver answered HTTP 404",
    "created_at": _AT,
    "finished_at": _LATER,
}

_SWITCH: Json = {
    "switch_id": "0193a5b9-3c11-7a44-9f2e-5b6c7d8e9f01",
    "tenant_id": "acme",
    "scope": "agent",
    "key": "billing-assistant",
    "reason": "It refunds the wrong orders.",
    "stops_running": True,
    "set_by": "user:ann@example.org",
    "set_at": _AT,
    "released_by": None,
    "released_at": None,
}
_EFFECT: Json = {
    "call_id": 312,
    "proc_inst_id": _INSTANCE_ID,
    "task_id": _TASK_ID,
    "attempt": 1,
    "name": "save_document",
    "outcome": "ok",
    "timestamp": _LATER,
}

_INCIDENT: Json = {
    "incident_id": _TASK_ID,
    "kind": "task",
    "proc_inst_id": _INSTANCE_ID,
    "task_id": _TASK_ID,
    "process_definition_id": "refund",
    "activity_id": "decide",
    "name": "Decide the refund",
    "agent_orch": "openai-action",
    "attempt": 3,
    "error": "worker lost: the pod stopped renewing its lease in attempt 3 of 3",
    "error_class": "worker_lost",
    "log_tail": None,
    "finished_at": _LATER,
}

EXAMPLES: dict[str, Json] = {
    "ForkRequest": {"task_id": _TASK_ID, "reason": "It searched in the wrong year.", "variables": {"year": 2026}},
    "InstanceMoved": {"process_instance_id": _INSTANCE_ID, "step": 4},
    "Items_Step_": {
        "items": [
            {
                "proc_inst_id": _INSTANCE_ID,
                "step": 2,
                "kind": "task",
                "task_id": _TASK_ID,
                "activity_id": "decide",
                "name": "Decide the refund",
                "actor": "user:ann@example.org",
                "at": _LATER,
            }
        ]
    },
    "MoveRequest": {"from": "decide", "to": "done", "reason": "It was decided by phone."},
    "RepairRequest": {"action": "retry", "reason": "The model is back.", "process_definition_id": "refund"},
    "Repairs": {
        "dry_run": True,
        "items": [
            {"process_instance_id": _INSTANCE_ID, "incident_id": _TASK_ID, "outcome": "would", "detail": None},
        ],
        "done": 0,
        "refused": 0,
        "paid_again": None,
        "next": None,
    },
    "DiscardRequest": {"reason": "The order was entered by hand."},
    "Incident": _INCIDENT,
    "IncidentRetried": {
        "incident_id": _TASK_ID,
        "kind": "task",
        "task": {**_TASK, "status": "PENDING", "attempt": 0, "draft": None},
        "paid_again": _COST,
        "effects": [_EFFECT],
    },
    "Page_Incident_": {"items": [_INCIDENT], "next": None},
    "RetryRequest": {"reason": "The amount was wrong.", "variables": {"amount": 94.9}, "from_scratch": True},
    "CancellationRequest": {"scope": "agent", "key": "billing-assistant", "reason": "It refunds the wrong orders."},
    "Cancelled": {
        "dry_run": True,
        "instances": [_INSTANCE_ID],
        "tasks": [],
        "running": 1,
        "cancelled": 0,
        "is_complete": True,
        "effects": [_EFFECT],
        "effects_are_complete": True,
    },
    "KillSwitchAnswer": {"kill_switch": _SWITCH, "running": 2, "waiting": 17, "task_ids": []},
    "KillSwitchReleased": {
        "kill_switch": {**_SWITCH, "released_by": "user:ann@example.org", "released_at": _LATER},
        "resumed": 19,
    },
    "KillSwitchRequest": {
        "scope": "agent",
        "key": "billing-assistant",
        "reason": "It refunds the wrong orders.",
        "stops_running": True,
    },
    "Page_KillSwitch_": {"items": [_SWITCH], "next": None},
    "MessageRequest": {"name": "paid", "correlation_key": "4711", "variables": {"amount": 49.9}, "ttl_seconds": 3600},
    "MessageSent": {"message_id": _TASK_ID, "status": "correlated", "proc_inst_id": _INSTANCE_ID, "replayed": False},
    "SignalRequest": {"name": "stop_all", "variables": {"why": "The warehouse is closed."}},
    "SignalSent": {"reached": 3, "replayed": False},
    "Delivery": _DELIVERY,
    "Device": _DEVICE,
    "DeviceRequest": {"token": "c1Xy…", "platform": "android"},
    "Items_Device_": {"items": [_DEVICE]},
    "Items_WebhookEndpoint_": {"items": [_WEBHOOK]},
    "Items_McpServer_": {"items": [_MCP_SERVER]},
    "Marked": {"marked": 3},
    "McpServer": _MCP_SERVER,
    "McpServerRequest": _MCP_SERVER_REQUEST,
    "McpServerSwitch": {"enabled": False},
    "McpServersImport": {
        "mcpServers": {
            "crm": {
                "transport": "streamable_http",
                "url": _MCP_SERVER["url"],
                "headers": {"Authorization": "Bearer c0ffee-c0ffee"},
            },
            "files": {"command": "npx", "args": ["server-files"]},
        }
    },
    "McpServersImported": {
        "saved": [_MCP_SERVER],
        "refused": [{"name": "files", "reason": "it runs over stdio, and pods start no commands of tenants"}],
        "ignored": {},
    },
    "SecretRotation": {"grace_seconds": 86400},
    "NewWebhook": {**_WEBHOOK, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "Notification": _NOTIFICATION,
    "Page_Delivery_": {"items": [_DELIVERY], "next": "/deliveries?status=DEAD&before=71&limit=1"},
    "Page_Notification_": {"items": [_NOTIFICATION], "next": "/notifications?before=42&limit=1"},
    "Preferences": {
        "user_id": "ann@example.org",
        "channels": {"TASK_REASSIGNED": ["fcm"], "TASK_DUE_SOON": ["fcm"], "TASK_OVERDUE": ["fcm"], **_CHANNELS},
        "quiet": _QUIET,
        "email": "ann@example.org",
        "updated_at": _AT,
    },
    "PreferencesRequest": {"channels": _CHANNELS, "quiet": _QUIET},
    "ReadFlag": {"read_flag": True},
    "ReadThrough": {"through": 42},
    "WebhookChange": {**_WEBHOOK_REQUEST, "enabled": False},
    "WebhookEndpoint": _WEBHOOK,
    "WebhookRequest": _WEBHOOK_REQUEST,
    "Agent": _AGENT,
    "AgentRequest": _AGENT_REQUEST,
    "Body_upload_documents": {"files": ["(the content of refund-policy.md)"], "source": "refund-policy"},
    "ApiKeySummary": _KEY,
    "BulkCancelRequest": {"reason": "The campaign is over.", "process_definition_id": "refund", "status": "ERROR"},
    "BulkCancelled": {"dry_run": True, "instances": [_INSTANCE_ID], "cancelled": 0, "is_complete": True},
    "CancelRequest": {"reason": "The customer withdrew the request."},
    "AnswerRequest": {"answer": {"approved": True}},
    "Question": _QUESTION,
    "Page_Question_": {"items": [_QUESTION], "next": None},
    "ClaimRequest": {"person": "bob@example.org"},
    "Completion": {
        "process_instance_id": _INSTANCE_ID,
        "process_definition_id": "refund",
        "version": 2,
        "status": "RUNNING",
        "error": None,
        "variables": _VARIABLES,
        "task": _TASK,
        "tasks": [_TASK],
        "unused": [],
        "links": _LINKS,
    },
    "CompletionRequest": {
        "input": {
            "process_definition_id": "refund",
            "process_instance_id": "new",
            "email": "ann@example.org",
            "form_values": {"refund_form": {"order": "4711", "amount": 49.9}},
        }
    },
    "DecisionDetail": {"id": "refund_limit", "name": "Refund limit", "version": 2, "versions": [_DECISION]},
    "DecisionMade": {"id": "refund_limit", "version": 2, "output": "manager"},
    "DecisionRequest": {"variables": {"amount": 120}},
    "DecisionSummary": _DECISION,
    "DefinitionDetail": {"id": "refund", "name": "Refund", "version": 2, "versions": [_VERSION]},
    "DefinitionSummary": _VERSION,
    "DelegateRequest": {"person": "bob@example.org"},
    "Document": {**_DOCUMENT_HEAD, "content": "# Refund policy\n…", "sources": [], **_MADE},
    "EventPage": {"items": [_EVENT], "after": 1042, "next": None},
    "Health": {"status": "ok"},
    "InstanceDetail": {
        **_SUMMARY,
        "forked_from": None,
        "forked_step": None,
        "variables": _VARIABLES,
        "tasks": [_TASK],
        "cost": _COST,
        "links": _LINKS,
    },
    "InstanceStarted": {"process_instance_id": _INSTANCE_ID, "links": _LINKS},
    "Items_Passage_": {"items": [_PASSAGE]},
    "DeletedDocument": {key: _SAVED_DOCUMENT[key] for key in ("doc_id", "title", "source")},
    "Items_SavedDocument_": {"items": [_SAVED_DOCUMENT]},
    "Items_Task_": {"items": [_TASK]},
    "LimitsRequest": {"tool_calls": 20},
    "Limits": _LIMITS,
    "ExtendRequest": {"limits": {"tool_calls": 20}, "reason": "It is nearly done."},
    "BudgetPeriod": _BUDGET,
    "TenantBudget": {"limits": _LIMITS, "day": _BUDGET, "month": _BUDGET},
    "KeyRequest": {"name": "shop", "role": "worker", "scopes": ["start"], "expires_at": "2027-11-20T00:00:00Z"},
    "NewKey": {**_KEY, "key": "fleet_9sFq2m0vVw3nX8yZ1aB4cD5eF6gH7iJ8kL9mN0oP1qR"},
    "Page_Agent_": {"items": [_AGENT], "next": None},
    "Page_ApiKeySummary_": {"items": [_KEY], "next": None},
    "Items_DecisionSummary_": {"items": [_DECISION]},
    "Page_DecisionSummary_": {"items": [_DECISION], "next": None},
    "Page_DefinitionSummary_": {"items": [_VERSION], "next": None},
    "Page_DocumentSummary_": {"items": [_DOCUMENT_SUMMARY], "next": None},
    "Page_InstanceSummary_": {"items": [_SUMMARY], "next": f"/instances?before={_INSTANCE_ID}&limit=1"},
    "Page_JournalCall_": {"items": [_CALL], "next": None},
    "Page_Orchestrator_": {"items": [_ORCHESTRATOR], "next": None},
    "Page_Pod_": {"items": [_POD], "next": None},
    "Page_Task_": {"items": [_TASK], "next": None},
    "Problem": {
        "type": "urn:process-fleet:problem:task_closed",
        "title": "Conflict",
        "status": 409,
        "detail": f"Task {_TASK_ID} is DONE: only a task in TODO can be submitted.",
        "instance": f"/tasks/{_TASK_ID}/submit",
        "remedy": "Read the task again.",
    },
    "ReassignRequest": {"person": None, "groups": ["support", "billing"]},
    "RollbackRequest": {"version": 1},
    "RotateRequest": {"grace_seconds": 86400},
    "StartRequest": {
        "process_definition_id": "refund",
        "variables": {"order": "4711", "amount": 49.9},
        "initiator": "ann@example.org",
    },
    "SubmitRequest": {"output": {"approved": True}},
    "Task": _TASK,
    "TaskChange": {"priority": 5, "due_at": "2026-11-21T09:30:00Z"},
}
"""By name of the schema in the OpenAPI document."""
