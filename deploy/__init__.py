"""From a clone to a running stack: `python -m deploy deploy --stage dev`. Not part of what is deployed."""
