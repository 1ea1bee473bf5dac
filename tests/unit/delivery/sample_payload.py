"""A notification as kernel.notify of init.sql writes it, and the secret of an endpoint."""

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PAYLOAD = {
    "type": "TASK_ASSIGNED",
    "timestamp": "2026-11-20T09:30:00+00:00",
    "data": {"notify_id": 7, "user_id": "ann@acme.test", "message": "Décide\nnow", "task_id": "t-1"},
}
