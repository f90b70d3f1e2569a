"""How a model is served: inference templates, serving engines, and the container images that fit an instance."""
