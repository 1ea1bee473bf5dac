"""A small client of the execution API for the command line."""

from pathlib import Path
from typing import Any

import httpx

from kernel.errors import FleetError


class ApiRefused(FleetError):
    """The API answered with a problem (RFC 9457). `status` is the HTTP status."""

    def __init__(self, status: int, detail: str, remedy: str = ""):
        super().__init__(detail)
        self.status = status
        self.remedy = remedy


class ApiClient:
    """Use as `with`. Every method raises ApiRefused on a refusal and where the API cannot be reached."""

    def __init__(self, url: str, key: str):
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=330)

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET `path`; query values that are None are left out."""
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None})

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """POST `body` as JSON, or what httpx's `options` say."""
        return self._ask("POST", path, **(options or {"json": body}))

    def put(self, path: str, body: Any) -> Any:
        """PUT `body` as JSON."""
        return self._ask("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """DELETE `path`."""
        return self._ask("DELETE", path)

    def deploy(self, path: Path, process: str | None = None) -> list[Any]:
        """Deploy a process of a BPMN file, or all decisions of a DMN file (by its ending); returns the versions."""
        file: dict[str, Any] = {"content": path.read_bytes(), "headers": {"content-type": "application/xml"}}
        if path.suffix.lower() == ".dmn":
            return self.post("/decisions", **file)["items"]
        return [self.post("/process-definitions", **file, params={"process": process} if process else {})]

    def upload(self, name: str, data: bytes) -> Any:
        """Upload a document; `name` is its source."""
        return self.post("/documents", files={"files": (Path(name).name, data)}, data={"source": name})

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            where = self._http.base_url
            raise ApiRefused(0, f"the API at {where} cannot be reached: {error}", "Is `fleet up` running?") from None
        if answer.is_success:
            return answer.json()
        try:
            problem = answer.json()
        except ValueError:
            raise ApiRefused(answer.status_code, f"HTTP {answer.status_code}: {answer.text[:300]}") from None
        lines = [problem.get("detail") or problem.get("title") or "refused"]
        lines += [f"  {_fault(fault)}" for fault in problem.get("errors") or []]
        raise ApiRefused(answer.status_code, "\n".join(lines), problem.get("remedy") or "")


def _fault(fault: Any) -> str:
    if not isinstance(fault, dict):
        return str(fault)
    where = f"line {fault['line']}: " if fault.get("line") else f"{fault['field']}: " if fault.get("field") else ""
    return where + str(fault.get("message") or fault.get("detail") or fault)
