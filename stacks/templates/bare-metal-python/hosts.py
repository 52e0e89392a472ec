"""Your servers: Debian or Ubuntu, reachable by SSH. The first control plane makes the cluster; keep it first.

Get a host's key with: ssh-keyscan -t ed25519 ADDRESS | cut -d' ' -f2-, and compare it with the server's own.
"""

import pulumi_sansproxy as sansproxy

EXAMPLE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEV4YW1wbGVLZXlSZXBsYWNlTWVXaXRoWW91ck93"

hosts: list[sansproxy.BareMetalHostArgsArgsDict] = [
    {"name": "cp-1", "role": "control-plane", "address": "192.0.2.11", "host_key": EXAMPLE_KEY},
    {"name": "worker-1", "role": "worker", "address": "192.0.2.21", "host_key": EXAMPLE_KEY},
]
