"""What the API answers and is given in its examples, part by part."""

from kernel.models import Json

INSTANCE_ID = "0193a5c1-4f0e-4c5a-9d55-0d6a4f1f7a10"
TASK_ID = "0193a5c1-4f2a-7b1c-8a11-6f0f5d3a2b44"
DOCUMENT_ID = "0193a5b0-0c11-7d2e-9b7a-1c2d3e4f5a6b"
POD_ID = "7d6f1b52-6b0e-4c38-8f0b-6f1f3f3c2a90"
AT = "2026-11-20T09:30:00Z"
LATER = "2026-11-20T09:31:12Z"

LINKS: Json = {
    "instance": f"/instances/{INSTANCE_ID}",
    "events": f"/instances/{INSTANCE_ID}/events",
    "calls": f"/instances/{INSTANCE_ID}/calls",
    "cancel": f"/instances/{INSTANCE_ID}/cancel",
    "retry": f"/instances/{INSTANCE_ID}/incidents/retry",
}
VARIABLES: Json = {"order": "4711", "amount": 49.9, "initiator": "ann@example.org"}
VERSION: Json = {
    "id": "refund",
    "version": 2,
    "name": "Refund",
    "created_at": AT,
    "deployed_by": "api_key:ci",
    "is_new": True,
}
DECISION: Json = {**VERSION, "id": "refund_limit", "name": "Refund limit"}
SUMMARY: Json = {
    "id": INSTANCE_ID,
    "process_definition_id": "refund",
    "process_definition_version": 2,
    "initiator": "ann@example.org",
    "status": "RUNNING",
    "error": None,
    "start_time": AT,
    "end_time": None,
}
TASK: Json = {
    "task_id": TASK_ID,
    "proc_inst_id": INSTANCE_ID,
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
    "created_at": AT,
    "started_at": AT,
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
            "pod_id": POD_ID,
            "started_at": AT,
            "ended_at": AT,
            "error_class": "model_overloaded",
            "reason": "The model endpoint answered HTTP 429",
        }
    ],
    "retry_policy": {"first_seconds": 60, "factor": 5},
}
EVENT: Json = {
    "event_id": 1042,
    "proc_inst_id": INSTANCE_ID,
    "task_id": TASK_ID,
    "event_type": "TASK_DRAFTED",
    "actor": f"pod:{POD_ID}",
    "message": "Decide the refund",
    "data": {"attempt": 1, "run_seconds": 4.2},
    "timestamp": LATER,
}
CALL: Json = {
    "call_id": 311,
    "proc_inst_id": INSTANCE_ID,
    "task_id": TASK_ID,
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
    "timestamp": LATER,
}
COST: Json = {"model_calls": 1, "tool_calls": 0, "input_tokens": 214, "output_tokens": 31, "cost_usd": "0.00011550"}
AGENT_REQUEST: Json = {
    "name": "Billing assistant",
    "role": "clerk in the billing department",
    "goal": "answer customers correctly and briefly",
    "persona": "friendly, exact with amounts",
    "model": None,
    "tools": ["search_documents"],
    "limits": {"tool_calls": 50, "cost_usd": "0.50"},
}
AGENT: Json = {"agent_id": "billing-assistant", **AGENT_REQUEST}
LIMITS: Json = {
    "model_calls": None,
    "tool_calls": 50,
    "tokens": None,
    "cost_usd": "0.50",
    "run_seconds": None,
    "repeats": None,
}
AGENT["limits"] = LIMITS
BUDGET: Json = {
    "tokens": 120400,
    "cost_usd": "0.84210000",
    "most_tokens": None,
    "most_cost_usd": "20",
    "ends_at": "2026-12-01T00:00:00Z",
}
ORCHESTRATOR: Json = {
    "id": "openai-action",
    "description": "one agent with tools",
    "first_seen_at": AT,
    "last_seen_at": LATER,
}
POD: Json = {
    "pod_id": POD_ID,
    "name": "pod-1",
    "serves": ["openai-action"],
    "address": "http://127.0.0.1:8701",
    "status": "READY",
    "started_at": AT,
    "heartbeat_at": LATER,
}
DOCUMENT_HEAD: Json = {
    "doc_id": DOCUMENT_ID,
    "title": "Refund policy",
    "source": "refund-policy.md",
    "media_type": "text/markdown",
}
MADE: Json = {"proc_inst_id": None, "created_by": "user:ann@example.org", "created_at": AT}
DOCUMENT_SUMMARY: Json = {**DOCUMENT_HEAD, "characters": 5120, **MADE}
SAVED_DOCUMENT: Json = {**DOCUMENT_HEAD, "characters": 5120, "passages": 7}
PASSAGE: Json = {
    "doc_id": DOCUMENT_ID,
    "title": "Refund policy",
    "source": "refund-policy.md",
    "chunk": 2,
    "heading": "Deadlines",
    "content": "Refunds are possible within 30 days.",
    "score": 0.0327,
}

KEY: Json = {
    "key_id": "0193a5b2-1d22-7e3f-8c8b-2d3e4f5a6b7c",
    "name": "shop",
    "role": "worker",
    "scopes": ["start"],
    "created_by": "user:ann@example.org",
    "created_at": AT,
    "expires_at": "2027-11-20T00:00:00Z",
    "last_used_at": None,
    "old_key_until": None,
    "revoked_at": None,
}

NOTIFICATION: Json = {
    "notify_id": 42,
    "user_id": "ann@example.org",
    "proc_inst_id": INSTANCE_ID,
    "task_id": TASK_ID,
    "type": "TASK_ASSIGNED",
    "message": "Decide the refund",
    "read_flag": False,
    "created_at": LATER,
}
QUIET: Json = {"begin": "22:00", "end": "07:00", "time_zone": "Asia/Seoul"}
CHANNELS: Json = {"TASK_ASSIGNED": ["email", "fcm"], "INCIDENT": ["email"], "PROCESS_DONE": []}
DEVICE: Json = {
    "device_id": "0193a5c2-77aa-7c3b-8d21-5b6c7d8e9f01",
    "user_id": "ann@example.org",
    "platform": "android",
    "registered_at": AT,
}
WEBHOOK_REQUEST: Json = {"url": "https://example.org/fleet", "description": "chat", "types": ["INCIDENT"]}
WEBHOOK: Json = {
    "endpoint_id": "0193a5c3-12bb-7d4c-9e32-6c7d8e9fa012",
    **WEBHOOK_REQUEST,
    "enabled": True,
    "disabled_reason": None,
    "created_at": AT,
    "old_secret_until": None,
}
MCP_SERVER_REQUEST: Json = {
    "url": "https://tools.example.org/crm/mcp",
    "description": "customers and their orders",
    "headers": {"Authorization": "Bearer c0ffee-c0ffee"},
    "allowed_tools": ["find_customer", "create_ticket"],
    "idempotent_tools": ["create_ticket"],
    "timeout_seconds": 30,
}
MCP_SERVER: Json = {
    "name": "crm",
    **{name: value for name, value in MCP_SERVER_REQUEST.items() if name != "headers"},
    "header_names": ["Authorization"],
    "enabled": True,
    "created_at": AT,
    "updated_at": LATER,
}
QUESTION: Json = {
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

DELIVERY: Json = {
    "outbox_id": 71,
    "channel": "webhook",
    "destination": WEBHOOK["endpoint_id"],
    "proc_inst_id": INSTANCE_ID,
    "task_id": TASK_ID,
    "status": "DEAD",
    "attempts": 1,
    "next_attempt_at": LATER,
    "last_error": "the receiver answered HTTP 404",
    "created_at": AT,
    "finished_at": LATER,
}

SWITCH: Json = {
    "switch_id": "0193a5b9-3c11-7a44-9f2e-5b6c7d8e9f01",
    "tenant_id": "acme",
    "scope": "agent",
    "key": "billing-assistant",
    "reason": "It refunds the wrong orders.",
    "stops_running": True,
    "set_by": "user:ann@example.org",
    "set_at": AT,
    "released_by": None,
    "released_at": None,
}
EFFECT: Json = {
    "call_id": 312,
    "proc_inst_id": INSTANCE_ID,
    "task_id": TASK_ID,
    "attempt": 1,
    "name": "save_document",
    "outcome": "ok",
    "timestamp": LATER,
}

INCIDENT: Json = {
    "incident_id": TASK_ID,
    "kind": "task",
    "proc_inst_id": INSTANCE_ID,
    "task_id": TASK_ID,
    "process_definition_id": "refund",
    "activity_id": "decide",
    "name": "Decide the refund",
    "agent_orch": "openai-action",
    "attempt": 3,
    "error": "worker lost: the pod stopped renewing its lease in attempt 3 of 3",
    "error_class": "worker_lost",
    "log_tail": None,
    "finished_at": LATER,
}
