# SPDX-License-Identifier: Apache-2.0
"""The parts of ../http_requests.py: what it knows of the server, values, requests, conversations, the judge of answers,
and the watch of the server."""
