"""The sandbox: a local AWS account in a background process, to learn and to rehearse deployments in.

S3, IAM, STS, CloudWatch, Logs and Scheduler are moto's; SageMaker hosting, quotas and prices are served from here, and
an endpoint really runs its artifact. AWS clients reach it by endpoint URL only. It keeps what the account holds until
it is reset. Needs the extra `sandbox`.
"""

DEFAULT_REGION = "us-east-1"
"""The region of the sandbox when nobody names another."""
