"""The sandbox: a local AWS account in a background process, to learn and to rehearse deployments in.

S3, IAM, STS, CloudWatch, Logs and Scheduler are moto's; SageMaker hosting, quotas and prices are served from here, and
an endpoint really runs its artifact. Needs the extra `sandbox`. AWS clients reach it by endpoint URL only.
"""
