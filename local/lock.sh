#!/usr/bin/env bash
# lock.sh: make locks/ and requirements.txt from the lists in pyproject.toml. Versions stay where they still fit;
# with UPGRADE=1 they are the newest that fit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() { # compile NAME ARGUMENTS...
    echo "locks/$1.txt"
    .venv-lock/bin/uv pip compile --quiet --no-header --no-annotate --universal --python-version 3.11 \
        ${UPGRADE:+--upgrade} --output-file "locks/$1.txt" "${@:2}" >/dev/null
}

compile dev --generate-hashes pyproject.toml --extra tracing --group dev
compile mutation --generate-hashes --group mutation --constraints locks/dev.txt
for group in localstack localstack-full lock; do
    compile "$group" --generate-hashes --group "$group"
done
for peer in celery dagster dask dbos prefect restate rq; do
    compile "bench-$peer" --group "bench-$peer"
done

echo requirements.txt
{
    echo "# What \`chalice package\` puts into the zip: the group \`deployed\` of pyproject.toml, locked. \`make lock\` writes it."
    .venv-lock/bin/uv pip compile --quiet --no-header --no-annotate --universal --python-version 3.11.4 \
        --group deployed --constraints locks/dev.txt
} >requirements.txt.new
mv requirements.txt.new requirements.txt
