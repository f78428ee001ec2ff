"""The private bucket that CloudFormation takes code and template from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy.deployment import NotDeployed


class Bucket:
    """dag-service-artifacts-ACCOUNT-REGION, created at its first use."""

    def __init__(self, s3: Any, *, account: str, region: str) -> None:
        self._s3 = s3
        self._region = region
        # Another account may own a bucket of this name: it must not receive what is uploaded.
        self._owner = {"ExpectedBucketOwner": account}
        self.name = f"dag-service-artifacts-{account}-{region}"

    def ensure(self) -> bool:
        """Create the bucket unless it exists; return whether it was created.

        Raises NotDeployed if the name belongs to another account.
        """
        try:
            self._s3.head_bucket(Bucket=self.name, **self._owner)
            return False
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise NotDeployed(f"the bucket {self.name} is not yours, or you may not use it: {error}") from None
        # us-east-1 is the default, and the only region that S3 does not accept as a constraint.
        where = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        self._s3.create_bucket(Bucket=self.name, **(where if self._region != "us-east-1" else {}))
        block = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        self._s3.put_public_access_block(
            Bucket=self.name, PublicAccessBlockConfiguration=dict.fromkeys(block, True), **self._owner
        )
        self._s3.put_bucket_encryption(
            Bucket=self.name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            **self._owner,
        )
        return True

    def upload(self, path: Path) -> str:
        """Store the file under the hash of its content, unless it is there already. Returns its key."""
        content = path.read_bytes()
        key = f"{hashlib.sha256(content).hexdigest()[:32]}{path.suffix}"
        if "Contents" not in self._s3.list_objects_v2(Bucket=self.name, Prefix=key, **self._owner):
            self._s3.put_object(Bucket=self.name, Key=key, Body=content, **self._owner)
        return key

    def url(self, key: str) -> str:
        return f"{self._s3.meta.endpoint_url}/{self.name}/{key}"
