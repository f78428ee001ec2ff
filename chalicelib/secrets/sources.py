"""The sources of secrets. A source returns the values of those requested names that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.errors import SecretsUnavailable

# GetParameters takes 10 names (AWS Systems Manager API Reference, "GetParameters").
_PARAMETERS = 10


class EnvironmentSecrets:
    """The environment of the process, for local runs. Only variables with the prefix can be read."""

    def __init__(self, environment: Mapping[str, str], prefix: str) -> None:
        self._environment = environment
        self._prefix = prefix

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        found = {name: self._environment.get(self._prefix + name) for name in names}
        return {name: value for name, value in found.items() if value is not None}

    def place(self, name: str) -> str:
        return f"the worker's environment as {self._prefix}{name}"


class ParameterSecrets:
    """SSM Parameter Store: SecureString parameters below a path. `client` returns the boto3 `ssm` client."""

    def __init__(self, client: Callable[[], Any], prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), _PARAMETERS):
            paths = [self._prefix + name for name in names[start : start + _PARAMETERS]]
            try:
                answer = self._client().get_parameters(Names=paths, WithDecryption=True)
            except Exception as error:  # botocore's errors have no common root
                raise SecretsUnavailable(f"SSM Parameter Store did not answer: {error}") from None
            found |= {item["Name"].removeprefix(self._prefix): item["Value"] for item in answer["Parameters"]}
        return found

    def place(self, name: str) -> str:
        return f"SSM Parameter Store as {self._prefix}{name}"


class ManagerSecrets:
    """AWS Secrets Manager, the whole SecretString. `client` returns the boto3 `secretsmanager` client.

    It makes a call for each name, since IAM cannot allow BatchGetSecretValue for some secrets only.
    """

    def __init__(self, client: Callable[[], Any], prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def fetch(self, names: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in names:
            try:
                answer = self._client().get_secret_value(SecretId=self._prefix + name)
            except Exception as error:  # botocore's errors have no common root
                if getattr(error, "response", {}).get("Error", {}).get("Code") == "ResourceNotFoundException":
                    continue
                raise SecretsUnavailable(f"Secrets Manager did not answer: {error}") from None
            if "SecretString" in answer:
                found[name] = answer["SecretString"]
        return found

    def place(self, name: str) -> str:
        return f"Secrets Manager as {self._prefix}{name}, as a string"
