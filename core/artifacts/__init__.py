"""Artifacts: the tree that SageMaker mounts at `/opt/ml/model`, written as one archive or as a folder."""
