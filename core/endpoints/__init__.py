"""Endpoints that exist, whoever made them: the desk (list, inspect, delete), dialects, requests and conversations."""
