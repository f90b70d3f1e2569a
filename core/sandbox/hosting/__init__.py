"""SageMaker hosting for the sandbox: the control plane's records and rules, and the processes behind its endpoints."""
